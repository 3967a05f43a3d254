import { readdir, readFile, readlink } from 'node:fs/promises'
import { run } from './run.ts'

/** Whether a process runs. A zombie does not: where process 1 is no init, as in many containers, it stays for ever. */
export async function isAlive(pid: number): Promise<boolean> {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  return (await procStat(pid))?.[0] !== 'Z'
}

/** Something that differs between two processes that get the same id; '-' where the system does not tell. */
export async function startedAt(pid: number): Promise<string> {
  return (await procStat(pid))?.[19] ?? '-'
}

/** The fields of /proc/PID/stat behind the program's name; undefined outside of Linux. */
async function procStat(pid: number): Promise<string[] | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** Whether the process works in this data directory: a postmaster and its backends do. */
export async function worksIn(pid: number, data: string): Promise<boolean> {
  if (process.platform !== 'linux')
    return (await run('ps', ['-o', 'command=', '-p', String(pid)])).output.includes(data)
  const directory = await readlink(`/proc/${pid}/cwd`).catch(() => undefined)
  if (directory !== undefined) return directory === data
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return command.split('\0').includes(data)
}

/** Backends that work in this data directory, but no shell that stands in it. Linux only; elsewhere none is found. */
export async function backendsIn(data: string): Promise<number[]> {
  const entries = await readdir('/proc').catch(() => [])
  const found: number[] = []
  for (const pid of entries.filter((name) => /^\d+$/.test(name)).map(Number)) {
    const directory = await readlink(`/proc/${pid}/cwd`).catch(() => undefined)
    if (directory !== data) continue
    const program = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
    if (program.trim() === 'postgres' && (await isAlive(pid))) found.push(pid)
  }
  return found
}
