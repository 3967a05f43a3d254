import { createRequire } from 'node:module'

/** The version of the command, as its package says. */
export function toolVersion(): string {
  return (createRequire(import.meta.url)('imhotep/package.json') as { version: string }).version
}
