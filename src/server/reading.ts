import { existsSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { asPlumblineError, PlumblineError, type Config, type Site } from '../base/index.ts';
import { loadMappings, loadTargets, type Mappings, type Targets } from '../findings/index.ts';
import { createDecoder, type Decoder } from '../imaging/index.ts';
import { createRuntime, listBundles, loadBundle, type Bundle, type Runtime } from '../inference/index.ts';
import type { PresenceCodes } from '../outputs/index.ts';
import { parseRoutes, type Routes } from '../work/index.ts';
import { home, version } from './home.ts';

/** Everything that reading a study needs and that lives longer than one study; the same offline and in the server. */
export interface Reading {
  readonly routes: Routes;
  readonly mappings: Mappings;
  readonly presence: PresenceCodes;
  readonly targets: Targets;
  readonly site: Site;
  readonly decoder: Decoder;
  readonly modelsDir: string;
  /** Checked once, then kept. @throws PlumblineError `bundle-unknown`, `bundle-invalid`, `bundle-licence` */
  bundle(name: string): Promise<Bundle>;
  /** The bundle's process, started when first asked for. */
  runtime(name: string): Promise<Runtime>;
  /** The bundles that the routes name, and how it goes with the process of each. */
  models(): readonly ModelState[];
  close(): Promise<void>;
}

export interface ModelState {
  readonly bundle: string;
  /** `idle`: it is started with the first study. `failed`: the last start did not succeed; the next study tries again. */
  readonly state: 'idle' | 'starting' | 'running' | 'failed';
  /** Of a start that failed. */
  readonly code?: string;
}

export interface ReadingOptions {
  readonly tempDir?: string;
  /** Told where a model's process died or was killed and is started again. */
  readonly onRestart?: (bundle: string, why: PlumblineError) => void;
  /** Puts something around the runtime of a bundle: a clock. */
  readonly around?: (runtime: Runtime, bundle: string) => Runtime;
}

/**
 * @param options.tempDir where large pictures pass to the model's process; the system's folder where absent
 * @throws PlumblineError `routes-invalid`, `mappings-invalid`, `config-missing`
 */
export function openReading(config: Config, options: ReadingOptions = {}): Reading {
  const modelsDir = config.modelsDir ?? resolve(home, 'models');
  const routesFile = mappingFile(config, 'routes.json');
  const routes = parseRoutes(readText(routesFile), routesFile);
  const presence = readJson(mappingFile(config, 'presence.json'));
  const mappings = loadMappings(readJson(mappingFile(config, 'codes.json')), presence);
  const targets = loadTargets(readJson(mappingFile(config, 'targets.json')));
  const decoder = createDecoder({ seconds: config.imaging.decodeSeconds, maxPixels: config.imaging.maxPixels });
  const bundles = new Map<string, Promise<Bundle>>();
  const runtimes = new Map<string, Promise<Runtime>>();

  const models = new Map(
    routes.rules.map(({ then }) => [then.bundle, { state: 'idle' } as Omit<ModelState, 'bundle'>]),
  );

  const bundle = (name: string): Promise<Bundle> => remember(bundles, name, () => openBundle(config, modelsDir, name));
  const start = async (name: string): Promise<Runtime> => {
    models.set(name, { state: 'starting' });
    try {
      const { tempDir, onRestart, around } = options;
      const { licences: _licences, ...inference } = config.inference;
      const runtime = await createRuntime(await bundle(name), {
        ...inference,
        ...(tempDir === undefined ? {} : { tempDir }),
        onRestart: (why) => onRestart?.(name, why),
      });
      models.set(name, { state: 'running' });
      return around?.(runtime, name) ?? runtime;
    } catch (thrown) {
      models.set(name, { state: 'failed', code: asPlumblineError(thrown).code });
      throw thrown;
    }
  };
  return {
    routes,
    mappings,
    presence: presence as PresenceCodes,
    targets,
    site: siteOf(config),
    decoder,
    modelsDir,
    bundle,
    runtime: (name) => remember(runtimes, name, () => start(name)),
    models: () => [...models].map(([name, state]) => ({ bundle: name, ...state })),
    close: async () => {
      const started = await Promise.allSettled(runtimes.values());
      await Promise.all(started.map((r) => (r.status === 'fulfilled' ? r.value.close() : undefined)));
      await decoder.close();
    },
  };
}

/** One promise per name; a failed one is forgotten, so that the next call tries again. */
function remember<T>(map: Map<string, Promise<T>>, name: string, make: () => Promise<T>): Promise<T> {
  const there = map.get(name);
  if (there) return there;
  const made = make();
  map.set(name, made);
  made.catch(() => map.delete(name));
  return made;
}

/** A bundle by the name of its folder; names are no paths. */
async function openBundle({ inference }: Config, modelsDir: string, name: string): Promise<Bundle> {
  const known = await listBundles(modelsDir);
  const found = known.find((b) => b.name === name);
  if (found) return loadBundle(found.dir, inference.licences);
  const names = known.map((b) => b.name).join(', ') || 'none';
  throw new PlumblineError('bundle-unknown', `no bundle "${name}" under ${modelsDir}; there: ${names}`, {
    where: name,
  });
}

function siteOf(config: Config): Site {
  const { idBase, installationId, organization, viewerUrl, dicomwebUrl } = config.site;
  return {
    idBase,
    installationId,
    organization,
    gatewayVersion: version,
    ...(viewerUrl === undefined ? {} : { viewerUrl }),
    ...(dicomwebUrl === undefined ? {} : { dicomwebUrl }),
  };
}

/**
 * The site's own file, or the one that comes with Plumbline: a site that only routes otherwise need not copy the codes, which
 * would grow old there. Routes are what a folder is named for, so they are never taken from elsewhere.
 */
function mappingFile(
  { mappingsDir }: Config,
  name: 'routes.json' | 'codes.json' | 'presence.json' | 'targets.json',
): string {
  const shipped = resolve(home, 'mappings', name);
  if (mappingsDir === undefined) return shipped;
  const own = join(mappingsDir, name);
  return name === 'routes.json' || existsSync(own) ? own : shipped;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new PlumblineError('config-missing', `cannot read ${file}`, { where: file, cause });
  }
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readText(file));
  } catch (cause) {
    if (cause instanceof PlumblineError) throw cause;
    throw new PlumblineError('mappings-invalid', `${basename(file)} is no JSON: ${(cause as Error).message}`, {
      where: file,
      cause,
    });
  }
}
