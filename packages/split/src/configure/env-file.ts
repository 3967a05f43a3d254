import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'

/**
 * Sets variables in an environment file and leaves its other lines as they are. A file that would change is kept beside
 * it as `<file>.<time>.bak` first; readers see the old text or the new one. A new file is readable by its owner only: it holds
 * passwords; one that exists stays readable for whom it was.
 */
export function writeEnvFile(file: string, variables: Readonly<Record<string, string>>, now = new Date()): void {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : null
  const after = merge(before ?? '', variables)
  if (after === before) return
  mkdirSync(dirname(file), { recursive: true })
  if (before !== null) copyFileSync(file, `${file}.${now.toISOString().replaceAll(/[-:]|\.\d+/g, '')}.bak`)
  const draft = `${file}.${process.pid}.tmp`
  try {
    writeFileSync(draft, after, { mode: 0o600 })
    if (before === null || takesOwner(draft, file)) renameSync(draft, file)
    else writeFileSync(file, after)
  } finally {
    rmSync(draft, { force: true })
  }
}

/** False where we may not give files away. */
function takesOwner(draft: string, file: string): boolean {
  const { uid, gid, mode } = statSync(file)
  try {
    chownSync(draft, uid, gid)
    chmodSync(draft, mode)
    return true
  } catch {
    return false
  }
}

/** The variables of an environment file, without quotes; empty when there is none. */
export function readEnvFile(file: string): Record<string, string> {
  if (!existsSync(file)) return {}
  return Object.fromEntries(
    readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((line) => {
        const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/.exec(line) ?? []
        return name === undefined ? [] : [[name, unquote(value ?? '')]]
      }),
  )
}

function merge(text: string, variables: Readonly<Record<string, string>>): string {
  const rest = new Map(Object.entries(variables))
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n')
  const merged = lines.map((line) => {
    const name = /^([A-Za-z_]\w*)=/.exec(line)?.[1]
    const value = name === undefined ? undefined : rest.get(name)
    if (name === undefined || value === undefined) return line
    rest.delete(name)
    return `${name}=${quote(value)}`
  })
  return `${[...merged, ...[...rest].map(([name, value]) => `${name}=${quote(value)}`)].join('\n')}\n`
}

function quote(value: string): string {
  if (/[\n'\0]/.test(value))
    throw new TypeError('a value of an environment file has no line breaks and no single quotes')
  return /^[\w:/@.,?&=%+~-]*$/.test(value) ? value : `'${value}'`
}

function unquote(value: string): string {
  return /^'.*'$/.test(value) ? value.slice(1, -1) : value
}
