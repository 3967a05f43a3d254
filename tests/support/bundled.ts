import { readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join, parse } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { atEnd } from './at-end.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const bundles = new Map<string, Promise<string>>()

/**
 * A program in TypeScript as JavaScript, for a test that starts it again and again: to compile all that it imports takes
 * each process a second or more. The files go with this process.
 */
export function bundled(program: URL): Promise<string> {
  const file = fileURLToPath(program)
  const bundle = bundles.get(file) ?? makeBundle(file)
  bundles.set(file, bundle)
  return bundle
}

async function makeBundle(file: string): Promise<string> {
  const { name } = parse(file)
  // packages are found from here
  const outdir = join(root, 'node_modules/.cache/imhotep-tests', `${name}-${process.pid}`)
  await build({
    entryPoints: [file],
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true, // what a program imports when it runs is a file of its own
    platform: 'node',
    format: 'esm',
    conditions: ['source'],
    external: dependencies(),
    sourcemap: true,
    logLevel: 'warning',
  })
  atEnd(() => rm(outdir, { recursive: true }))
  return join(outdir, `${name}.mjs`)
}

/** Packages of others that ours import. */
function dependencies(): string[] {
  return readdirSync(join(root, 'packages')).flatMap((name) => {
    const text = readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')
    const { dependencies: own = {} } = JSON.parse(text) as { dependencies?: Readonly<Record<string, string>> }
    return Object.keys(own).filter((dependency) => !dependency.startsWith('@imhotep/'))
  })
}
