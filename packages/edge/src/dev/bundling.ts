/** How the Worker becomes one module: by the conditions by which wrangler would, with what workerd has left outside. */
export const BUNDLING = {
  bundle: true,
  format: 'esm',
  target: 'es2024',
  platform: 'neutral',
  mainFields: ['browser', 'module', 'main'],
  conditions: ['workerd', 'worker', 'browser'],
  external: ['node:*', 'cloudflare:*'],
  // bcryptjs asks for it by the name of old.
  alias: { crypto: 'node:crypto' },
  logLevel: 'warning',
} as const
