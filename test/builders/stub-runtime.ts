import type { Answer, Picture } from '../../src/base/index.ts';
import type { Runtime } from '../../src/inference/index.ts';
import { pictureMask } from './answers.ts';

/** What a stub was asked about, one picture at a time. */
export interface Asked {
  readonly picture: Picture;
  readonly request: Parameters<Runtime['answer']>[1];
}

/**
 * A model that says the same of every picture, with one mask for each `[SEG]` of its text.
 * @param inside where its masks are set, in pixels of the picture
 */
export function stubRuntime(
  text: string,
  inside: (x: number, y: number) => boolean = (x, y) => x > 2 && x < 6 && y > 2 && y < 6,
): Runtime & { readonly asked: Asked[] } {
  const asked: Asked[] = [];
  const masks = text.split('[SEG]').length - 1;
  const answerTo = (picture: Picture, request: Asked['request']): Answer => {
    asked.push({ picture, request });
    const { stack, plane, width, height } = picture;
    return {
      stack,
      plane,
      task: request.task,
      prompt: 'as asked',
      text,
      tokenIds: [1],
      stop: 'end',
      masks: Array.from({ length: masks }, () => pictureMask(width, height, inside)),
      timingsMs: {},
    };
  };
  return {
    asked,
    provider: 'cpu',
    notices: [],
    answer: async (pictures, request) => pictures.map((picture) => answerTo(picture, request)),
    ask: async (picture, questions) => questions.map((question) => answerTo(picture, question)),
    close: async () => {},
  };
}
