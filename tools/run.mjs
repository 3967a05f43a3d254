// Runs a TypeScript file of this repository from source, on a machine that may have nothing but Node and git:
// installs the locked packages first when they are missing or older than the lock file. No dependency may be imported here.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const [script, ...args] = process.argv.slice(2)
const major = Number(process.versions.node.split('.')[0])
if (major < 20) {
  console.error(
    `imhotep needs Node 20.19 or later, this is ${process.versions.node}: install a newer Node and run this again`,
  )
  process.exit(2)
}

const lock = readFileSync(join(root, 'package-lock.json'), 'utf8')
const stamp = join(root, 'node_modules', '.imhotep-lock')
const installed = existsSync(stamp) ? readFileSync(stamp, 'utf8') : ''
if (installed !== lock) {
  console.error('installing packages (npm ci) ...')
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  if (status !== 0) {
    console.error('npm ci failed: check the network and the registry setting of npm, then run this again')
    process.exit(2)
  }
  writeFileSync(stamp, lock)
}

const child = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', join(root, script), ...args], {
  stdio: 'inherit',
})
// The terminal sends Ctrl-C to the child too; the child decides how to end and this process reports it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => signal !== 'SIGINT' && child.kill(signal))
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 2)))
