declare module 'oidc-provider' {
  /** What the tests use of it. */
  export class Provider {
    constructor(issuer: string, configuration: object);
    callback(): import('node:http').RequestListener;
  }
}
