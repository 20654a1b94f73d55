import type { Log } from '../base/index.ts';
import type { Studies, StudyGate } from '../studies/index.ts';
import type { Stages } from '../work/index.ts';
import type { Runtime } from '../inference/index.ts';
import type { Metrics } from './metrics.ts';

/**
 * A log that counts what passes. Every door logs what it refuses with its name and the error's code, so the count of
 * refusals is taken here and needs no place in each door.
 */
export function observedLog(log: Log, { logLines, refusals }: Metrics): Log {
  const say =
    (level: keyof Log): Log['info'] =>
    (event, fields) => {
      logLines.inc({ level });
      if (level !== 'info' && fields?.door !== undefined && fields.code !== undefined)
        refusals.inc({ door: fields.door, code: fields.code });
      log[level](event, fields);
    };
  return { info: say('info'), warn: say('warn'), error: say('error') };
}

/** Studies whose arrivals are counted, and logged when a study begins to arrive. */
export function observedStudies(
  studies: Studies & StudyGate,
  { arrivals, arrivedBytes }: Metrics,
  log: Log,
): Studies & StudyGate {
  const arriving = new Map<string, number>();
  /** Once when a study begins, and again when something comes after a pause. */
  const begins = (study: string): boolean => {
    const now = Date.now();
    const last = arriving.get(study) ?? 0;
    arriving.delete(study);
    arriving.set(study, now);
    if (arriving.size > 1000) arriving.delete(arriving.keys().next().value!);
    return now - last > 60_000;
  };
  return {
    ...studies,
    admit: async (batch, from) => {
      const admitted = await studies.admit(batch, from);
      for (const { outcome, ref } of admitted) {
        arrivals.inc({ door: from.door, outcome });
        if (outcome !== 'stored') continue;
        arrivedBytes.inc({ door: from.door }, ref.bytes);
        if (begins(ref.studyUid)) log.info('study arrives', { study: ref.studyUid, door: from.door });
      }
      return admitted;
    },
    receiveOrder: async (message) => {
      const answer = await studies.receiveOrder(message);
      arrivals.inc({ door: 'hl7', outcome: answer.outcome });
      return answer;
    },
  };
}

/** Stages that are timed, and logged with the study that they are of. */
export function observedStages(stages: Stages, { stages: histogram }: Metrics, log: Log): Stages {
  const timed =
    <A extends Parameters<Stages[keyof Stages]>, R>(stage: string, run: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      const { key, studyUid } = args[0].item;
      const began = performance.now();
      let outcome = 'failed';
      try {
        const made = await run(...args);
        outcome = 'done';
        return made;
      } finally {
        const ms = Math.round(performance.now() - began);
        histogram.observe({ stage, outcome }, ms / 1000);
        if (outcome === 'done') log.info('stage done', { study: studyUid, workitem: key, stage, ms });
      }
    };
  return {
    answer: timed('answer', stages.answer),
    draft: timed('draft', stages.draft),
    encode: timed('encode', stages.encode),
  };
}

/** A model whose turns are timed: the questions about one picture that are asked together. */
export function observedRuntime(runtime: Runtime, bundle: string, { pictures: histogram }: Metrics): Runtime {
  return {
    ...runtime,
    ask: async (picture, questions) => {
      const began = performance.now();
      const answers = await runtime.ask(picture, questions);
      histogram.observe({ bundle }, (performance.now() - began) / 1000);
      return answers;
    },
  };
}
