import type { LintSource } from './read-files.ts'

/** The files of a rule's bad.sql or good.sql. */
export interface Example {
  readonly sources: LintSource[]
  readonly applied: ReadonlySet<string>
  /** Major version of PostgreSQL, where the example says one. */
  readonly serverVersion: number | undefined
  /** Lines that end with `-- here`, as `file:line`. */
  readonly marked: string[]
}

const FILE = /^-- (applied )?file: (\S+)$/
const SERVER = /^-- server: (\d+)$/m

/**
 * Reads an example: `-- file: 002_x.sql` begins a file, `-- applied file: 001_x.sql` one that runs in production already,
 * `-- server: 15` asks for that version of PostgreSQL. Without such a line it is one file that is not applied.
 */
export function readExample(text: string): Example {
  const files: { path: string; lines: string[] }[] = []
  const applied = new Set<string>()
  for (const line of text.trim().split('\n')) {
    const [, isApplied, path] = FILE.exec(line) ?? []
    if (path) {
      files.push({ path, lines: [] })
      if (isApplied) applied.add(path)
    } else {
      if (files.length === 0) files.push({ path: 'V001__example.sql', lines: [] })
      files.at(-1)?.lines.push(line)
    }
  }
  const sources = files.map(({ path, lines }) => ({ path, text: lines.join('\n') }))
  const marked = files.flatMap(({ path, lines }) =>
    lines.flatMap((line, n) => (line.endsWith('-- here') ? [`${path}:${n + 1}`] : [])),
  )
  const version = SERVER.exec(text)?.[1]
  return { sources, applied, serverVersion: version === undefined ? undefined : Number(version), marked }
}
