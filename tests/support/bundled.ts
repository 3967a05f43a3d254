import { existsSync } from 'node:fs'
import { readFile, rename, rm } from 'node:fs/promises'
import { dirname, join, parse } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, type Plugin } from 'esbuild'
import { atEnd } from './at-end.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const bundles = new Map<string, Promise<string>>()

/** Where all processes of a run find what one of them has compiled; who made the directory removes it. */
export const bundleDirectoryVariable = 'IMHOTEP_TEST_BUNDLES'

/** A directory of this process from which packages are found. */
export function bundleDirectory(): string {
  return join(root, 'node_modules/.cache/imhotep-tests', String(process.pid))
}

/**
 * A program in TypeScript as JavaScript, for a test that starts it again and again: to compile all that it imports takes
 * each process a second or more.
 */
export function bundled(program: URL): Promise<string> {
  const file = fileURLToPath(program)
  const made = bundles.get(file) ?? makeBundle(file)
  bundles.set(file, made)
  return made
}

async function makeBundle(file: string): Promise<string> {
  const { name } = parse(file)
  const shared = process.env[bundleDirectoryVariable]
  const folder = join(shared ?? bundleDirectory(), 'programs', name)
  if (shared === undefined) atEnd(() => rm(bundleDirectory(), { recursive: true, force: true }))
  if (!existsSync(folder)) {
    const own = `${folder}-${process.pid}`
    await bundle([file], own)
    await rename(own, folder).catch(() => rm(own, { recursive: true })) // another process was quicker
  }
  return join(folder, `${name}.mjs`)
}

/** Programs in TypeScript as JavaScript in `outdir`, at the same paths as below `base`, with what they share in files of its own. */
export async function bundle(programs: readonly string[], outdir: string, base?: string): Promise<void> {
  await build({
    entryPoints: [...programs],
    outdir,
    ...(base === undefined ? {} : { outbase: base }),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    treeShaking: false, // what nobody calls counts as not covered
    splitting: true, // what a program imports when it runs is a file of its own
    platform: 'node',
    format: 'esm',
    target: `node${process.versions.node}`, // `await using` is beyond Node 20
    conditions: ['source'],
    plugins: [fromItsPlace],
    keepNames: true, // two files may call a class alike
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
  })
}

/** Packages of others stay where they are, and code finds its files beside its source. */
const fromItsPlace: Plugin = {
  name: 'from its place',
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
      kind === 'entry-point' || path.startsWith('@imhotep/') ? undefined : { path, external: true },
    )
    build.onLoad({ filter: /\.ts$/ }, async ({ path }) => ({
      loader: 'ts',
      contents: (await readFile(path, 'utf8'))
        .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href))
        .replaceAll('import.meta.dirname', JSON.stringify(dirname(path))),
    }))
  },
}
