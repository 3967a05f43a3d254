// The JavaScript of every package as one file beside its types, which tsc writes: Node spends longer on finding, reading
// and linking a thousand small modules than most commands take. Packages stay apart, so that each is loaded once.
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const { target } = (
  JSON.parse(readFileSync(join(root, 'tsconfig.base.json'), 'utf8')) as { compilerOptions: { target: string } }
).compilerOptions

await Promise.all(readdirSync(join(root, 'packages')).map((name) => buildPackage(join(root, 'packages', name))))

async function buildPackage(folder: string): Promise<void> {
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { bin?: object }
  removeScripts(join(folder, 'dist'))
  await build({
    entryPoints: [join(folder, 'src', bin === undefined ? 'index.ts' : 'main.ts')],
    outdir: join(folder, 'dist'),
    bundle: true,
    splitting: true, // what a command imports when it runs is a file of its own
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target,
    sourcemap: true,
    logLevel: 'warning',
  })
}

function removeScripts(folder: string): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    if (/\.js(\.map)?$/.test(name)) rmSync(join(folder, name))
}
