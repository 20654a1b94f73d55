import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { PlumblineError } from '../base/index.ts';

/** PEM files. */
export interface TlsFiles {
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Certificates that sign those of the peers. */
  readonly caFile?: string;
}

/**
 * Key, certificate and authorities for TLS 1.2 or newer (PS3.15 B.9, BCP 195).
 * @throws PlumblineError config-missing where a file cannot be read, config-invalid where it is none that TLS takes
 */
export function fileTls({ certFile, keyFile, caFile }: TlsFiles): SecureContextOptions {
  const options: SecureContextOptions = {
    ...(certFile === undefined ? {} : { cert: read(certFile) }),
    ...(keyFile === undefined ? {} : { key: read(keyFile) }),
    ...(caFile === undefined ? {} : { ca: read(caFile) }),
    minVersion: 'TLSv1.2',
  };
  try {
    createSecureContext(options);
  } catch (cause) {
    const where = certFile ?? caFile ?? keyFile ?? '';
    throw new PlumblineError('config-invalid', `TLS does not take these files: ${(cause as Error).message}`, {
      where,
      cause,
    });
  }
  return options;
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new PlumblineError('config-missing', `cannot read ${file}`, { where: file, cause });
  }
}
