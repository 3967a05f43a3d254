import { createRequire } from 'node:module'
import { ConfigError } from '../errors.ts'

/**
 * The default export of a JavaScript or TypeScript file of the project. TypeScript is read by Node where it can, else
 * through tsx, the project's own before ours.
 * @throws ConfigError
 */
export function loadModule(file: string): unknown {
  const require = createRequire(file)
  try {
    const loaded = (isTypeScript(file) ? requireTypeScript(file, require) : require(file)) as { default?: unknown }
    return 'default' in loaded ? loaded.default : loaded
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause
    throw new ConfigError(file, `cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}

function isTypeScript(file: string): boolean {
  return /\.[cm]?ts$/.test(file)
}

function requireTypeScript(file: string, require: NodeJS.Require): unknown {
  if ('typescript' in process.features && process.features.typescript) return require(file)
  const tsx = findTsx(require) ?? findTsx(createRequire(import.meta.url))
  if (tsx) return tsx.require(file, file)
  const reason = `Node ${process.versions.node} does not read TypeScript: run npm install --save-dev tsx, use Node 22.18 or later, or write the file as imhotep.config.json`
  throw new ConfigError(file, reason)
}

interface Tsx {
  require(id: string, from: string): unknown
}

function findTsx(require: NodeJS.Require): Tsx | null {
  try {
    return require('tsx/cjs/api') as Tsx
  } catch {
    return null
  }
}
