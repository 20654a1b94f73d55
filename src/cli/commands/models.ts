import { Command, InvalidArgumentError } from 'commander';
import { benchModel } from '../models/bench.ts';
import { explainModel } from '../models/explain.ts';
import { listModels } from '../models/list.ts';
import { newModel } from '../models/new.ts';
import { verifyModel } from '../models/verify.ts';

/** `plumbline models`: what bundles there are, and what a maker or operator does with one. */
export function modelsCommand(): Command {
  const models = new Command('models')
    .description('List, make, verify, measure and explain model bundles (docs/bring-a-model.md).')
    .addHelpText(
      'after',
      `
Examples:
  plumbline models ls
  plumbline models new my-model --graphs ./graphs --facts facts.json
  plumbline models verify my-model
  plumbline models explain my-model`,
    );
  for (const make of [ls, add, verify, bench, explain]) models.addCommand(make().exitOverride());
  return models;
}

function ls(): Command {
  return common(new Command('ls'))
    .description('The bundles that are there, checked file by file, and what is wrong with one.')
    .addHelpText(
      'after',
      '\nExit code 1 where a bundle would be refused.\n\nExample:\n  plumbline models ls --models ./models',
    )
    .action(listModels);
}

function add(): Command {
  return common(new Command('new'))
    .description(
      'Make a bundle from ONNX graphs: reads what can be read of them, and says what you must still fill in.',
    )
    .argument('<name>', 'name of the bundle and of its folder')
    .option(
      '--graphs <folder>',
      'vision_encoder.onnx, token_embed.onnx, decoder.onnx, sam_encoder.onnx, mask_decoder.onnx, tokenizer.json; they are copied',
    )
    .option('--facts <file>', 'JSON that is laid over the manifest, key by key: what graphs do not say')
    .option(
      '--update',
      'of a bundle that is there: lay --facts over its manifest, take sizes and SHA-256 of its files again',
    )
    .addHelpText(
      'after',
      `
Until nothing is missing the bundle is refused by everything else.

Examples:
  plumbline models new my-model --graphs ./graphs
  plumbline models new my-model --update --facts facts.json`,
    )
    .action(newModel);
}

function verify(): Command {
  return common(new Command('verify'))
    .description('Ask a bundle about its goldens: pictures, token ids, text and masks against what its maker saw.')
    .argument('<name>', 'bundle')
    .option('--min-iou <number>', 'least intersection over union of a mask with its golden (default: 0.999)', share)
    .addHelpText(
      'after',
      '\nExit code 1 where one differs, or where there is none.\n\nExample:\n  plumbline models verify plumbline-tiny',
    )
    .action(verifyModel);
}

function bench(): Command {
  return common(new Command('bench'))
    .description('Measure a bundle on this machine: milliseconds by stage, tokens a second, memory.')
    .argument('<name>', 'bundle')
    .option('--pictures <n>', 'how many to ask about (default: 20)', whole)
    .addHelpText('after', '\nExample:\n  plumbline models bench plumbline-tiny --pictures 100')
    .action(benchModel);
}

function explain(): Command {
  return common(new Command('explain'))
    .description(
      'What a bundle says of itself, in words: tasks, modalities, labels and their codes, pictures, limits, licence.',
    )
    .argument('<name>', 'bundle')
    .addHelpText('after', '\nExample:\n  plumbline models explain plumbline-tiny')
    .action(explainModel);
}

function common(command: Command): Command {
  return command
    .option('--models <folder>', 'folder of bundles')
    .option('--config <file>', 'configuration')
    .option('--json', 'JSON on standard output');
}

function whole(text: string): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 1) throw new InvalidArgumentError('a whole number from 1 on is wanted.');
  return n;
}

function share(text: string): number {
  const n = Number(text);
  if (!(n >= 0 && n <= 1)) throw new InvalidArgumentError('a number from 0 to 1 is wanted.');
  return n;
}
