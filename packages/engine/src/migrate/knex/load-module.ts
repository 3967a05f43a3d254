import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename } from 'node:path'
import { pathToFileURL } from 'node:url'
import { sha256 } from '../migration-file.ts'
import { KnexLoadError } from './errors.ts'

/**
 * Loads a JavaScript or TypeScript file of the project. TypeScript goes through what this process can read already (a
 * loader, or a Node that does it by itself), else through the project's tsx, which stays registered from then on.
 * A file that has changed since it was loaded is loaded anew.
 * @throws KnexLoadError
 */
export async function loadModule(path: string): Promise<Record<string, unknown>> {
  try {
    if (isTypeScript(path) && needsTsx()) await registerTsx(path)
    return (await import(addressOf(path))) as Record<string, unknown>
  } catch (cause) {
    throw loadError(path, cause)
  }
}

const loaded = new Map<string, string>()

/** Node keeps what it has loaded by its address: a file with another text needs another one. */
function addressOf(path: string): string {
  const version = sha256(readFileSync(path)).toString('hex')
  const address = pathToFileURL(path).href
  const before = loaded.get(path) ?? version
  loaded.set(path, before)
  if (before === version) return address
  delete createRequire(import.meta.url).cache[path]
  return `${address}?${version}`
}

function isTypeScript(path: string): boolean {
  return /\.[cm]?ts$/.test(path)
}

/** Every loader of TypeScript takes `.ts` also in require(). Node alone keeps the imports of types, and does not find them. */
function needsTsx(): boolean {
  return 'typescript' in process.features || !('.ts' in createRequire(import.meta.url).extensions)
}

const registered = new Set<string>()

async function registerTsx(path: string): Promise<void> {
  const { resolve } = createRequire(path)
  for (const door of ['tsx/cjs/api', 'tsx/esm/api']) {
    let file
    try {
      // The CommonJS door cannot find its own parts in Node 20, the other one can.
      file = resolve(door).replace(/\.cjs$/, '.mjs')
    } catch {
      return // Node says itself what it cannot read
    }
    if (registered.has(file)) continue
    registered.add(file)
    const { register } = (await import(pathToFileURL(file).href)) as { register: () => unknown }
    register()
  }
}

/** What a module exports under a name, in each form that modules have: by itself, in its default, in `module.exports`. */
export function exportOf(module: Record<string, unknown>, name: string): unknown {
  for (let level: unknown = module, depth = 0; isObject(level) && depth < 3; level = level['default'], depth++) {
    if (level[name] !== undefined) return level[name]
  }
  return undefined
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (typeof value === 'object' || typeof value === 'function') && value !== null
}

function isUnknownExtension(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'ERR_UNKNOWN_FILE_EXTENSION'
}

function loadError(path: string, cause: unknown): KnexLoadError {
  const file = basename(path)
  const reason = cause instanceof Error ? cause.message : String(cause)
  if (isUnknownExtension(cause)) {
    const hint = 'in the project run: npm install --save-dev tsx (or use Node 22.18 or later, which reads TypeScript)'
    return new KnexLoadError(file, `Node ${process.versions.node} does not read TypeScript`, hint, { cause })
  }
  return new KnexLoadError(file, reason, 'correct the file; nothing was applied', { cause })
}
