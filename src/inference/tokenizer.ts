import { readFile } from 'node:fs/promises';
import { Tokenizer as Library } from '@huggingface/tokenizers';
import { PlumblineError } from '../base/index.ts';
import type { Manifest } from './manifest.ts';

/** Text to token ids and back. Special tokens in the text become their ids; none are added, and none dropped. */
export interface Tokenizer {
  encode(text: string): number[];
  decode(ids: readonly number[]): string;
}

/**
 * The tokenizer of a bundle (tokenizer.json, Hugging Face format).
 * @throws PlumblineError bundle-invalid where a special token of the manifest has another id in the file
 */
export async function openTokenizer(file: string, m: Manifest): Promise<Tokenizer> {
  const library = new Library(JSON.parse(await readFile(file, 'utf8')) as object, {
    clean_up_tokenization_spaces: false,
  });
  for (const [name, token] of Object.entries(m.special_tokens)) {
    const id = library.token_to_id(token.text);
    if (id !== token.id)
      throw new PlumblineError(
        'bundle-invalid',
        `special token ${name} "${token.text}": the manifest says id ${token.id}, the tokenizer ${id ?? 'does not know it'}`,
        { where: file },
      );
  }
  return {
    encode: (text) => library.encode(text, { add_special_tokens: false }).ids,
    decode: (ids) => library.decode([...ids], { skip_special_tokens: false }),
  };
}
