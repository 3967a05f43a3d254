import { basename, dirname, join, sep } from 'node:path'
import type { LintReport } from '../../lint/lint-files.ts'
import type { LintSource } from '../../lint/read-files.ts'
import type { Finding } from '../../verify/finding.ts'
import {
  compareVersions,
  isKnexFile,
  migrationFileName,
  parseMigrationName,
  sha256,
  withOwnVersions,
  type MigrationFile,
  type MigrationName,
  type MigrationNote,
} from '../migration-file.ts'
import { planKnexFiles } from './plan-files.ts'
import { sourceLine } from './transcript.ts'

/** Files to lint, Knex files among them in the shape of the SQL that they send. */
export interface PlannedSources {
  readonly sources: readonly LintSource[]
  /** Where plans may differ from runs, a line each. */
  readonly notes: readonly string[]
  /** Leads findings, their excerpts and fixes from the SQL back to the lines of the Knex files. */
  atSource(report: LintReport): LintReport
}

/** True for a name that Knex gives to a migration. */
export function isKnexMigration(name: string): boolean {
  return isKnexFile(name) && parseMigrationName(name) !== null
}

/**
 * The paths of a directory that are migrations. SQL below Knex files, or beside them without a version, is what those read.
 */
export function migrationsAmong(paths: readonly string[]): string[] {
  const folders = new Set(paths.filter((path) => isKnexMigration(basename(path))).map((path) => dirname(path)))
  const isRead = (path: string) => {
    if (migrationFileName(path) !== basename(path)) return false
    const folder = dirname(path)
    if (folders.has(folder)) return parseMigrationName(basename(path)) === null
    return [...folders].some((own) => own === '.' || folder.startsWith(`${own}${sep}`))
  }
  return paths.filter((path) => isKnexMigration(basename(path)) || (path.endsWith('.sql') && !isRead(path)))
}

/**
 * Plans the Knex files among the sources, in the order of all of them; what `down` sends becomes an undo file.
 * @throws KnexMissingError, KnexLoadError
 */
export async function planKnexSources(sources: readonly LintSource[], root: string): Promise<PlannedSources> {
  const first = sources.find(({ path }) => isKnexMigration(basename(path)))
  if (!first) return { sources, notes: [], atSource: (report) => report }
  const named = withOwnVersions(sources.map(toFile)).toSorted(compare)
  const paths = named.flatMap((file) => (isKnexFile(file.file) ? [[file, join(root, file.path)] as const] : []))
  const files = await planKnexFiles(named, new Map(paths), join(root, dirname(first.path)))

  const planned = new Map<string, PlannedText>()
  for (const [n, { undoText, ...file }] of files.entries()) {
    const { path = '', text: source = '' } = named[n] ?? {}
    if (!file.knex) {
      planned.set(path, { path, text: file.text, source: null })
      continue
    }
    const { version, name, kind } = file
    const beyond = (step: MigrationNote['step']) =>
      file.notes?.some((note) => note.step === step && note.kind === 'stopped') ? source : undefined
    planned.set(path, { path, text: file.text, source, name: { version, name, kind }, beyond: beyond('up') })
    const undo = join(dirname(path), `U${version}__${name}.sql`)
    if (undoText !== undefined) planned.set(undo, { path, text: undoText, source, beyond: beyond('down') })
  }
  const notes = files.flatMap(({ notes: own = [] }, n) =>
    own.map(({ line, kind, message }) => {
      const why = kind === 'stopped' ? 'the plan stops here' : 'not known without a database'
      return `${named[n]?.path ?? ''}${line === null ? '' : `:${line}`}: ${why}: ${message}`
    }),
  )
  return {
    sources: [...planned].map(([path, { text, name, beyond }]) => ({ path, text, name, beyond })),
    notes,
    atSource: (report) => reportAtSource(report, planned),
  }
}

interface PlannedText {
  /** Of the file that was read. */
  readonly path: string
  readonly text: string
  /** JavaScript or TypeScript; null for a file that is SQL itself. */
  readonly source: string | null
  /** Where it is not what the path says. */
  readonly name?: MigrationName
  readonly beyond?: string | undefined
}

function toFile({ path, text }: LintSource): MigrationFile & { readonly path: string } {
  const file = basename(path)
  const name = parseMigrationName(file) ?? { version: '', name: file, kind: 'repeatable' as const }
  return { ...name, path, file, text, checksum: sha256(text) }
}

/** By version; files without one do not matter to the plan of those that have one. */
function compare(a: MigrationFile, b: MigrationFile): number {
  if (a.kind !== 'versioned' || b.kind !== 'versioned')
    return Number(b.kind === 'versioned') - Number(a.kind === 'versioned')
  return compareVersions(a.version, b.version)
}

function reportAtSource(report: LintReport, planned: ReadonlyMap<string, PlannedText>): LintReport {
  const place = (file: string, line: number) => {
    const own = planned.get(file)
    if (!own || own.source === null) return null
    return { file: own.path, line: sourceLine(own.text, line) ?? 1, source: own.source }
  }
  const findings = report.findings.map((finding): Finding => {
    const related = finding.related.map((end) => {
      const at = place(end.file, end.line)
      return at ? { ...end, file: at.file, line: at.line } : end
    })
    const at = finding.file === null ? null : place(finding.file, finding.line ?? 1)
    if (!at) return { ...finding, related }
    const column = (at.source.split('\n')[at.line - 1]?.search(/\S/) ?? 0) + 1
    return { ...finding, file: at.file, line: at.line, column, related }
  })
  const texts = new Map(report.texts)
  const edits = new Map(report.edits)
  for (const [name, { path, source }] of planned) {
    if (source === null) continue
    texts.set(path, source)
    // What would be changed is SQL that the code makes.
    edits.delete(name)
  }
  return { ...report, findings: once(withoutUsedIgnores(findings, report, planned)), texts, edits }
}

/** One call may send a hundred statements with one fault. */
function once(findings: readonly Finding[]): Finding[] {
  const told = new Map(findings.map((finding) => [JSON.stringify(finding), finding]))
  return [...told.values()]
}

/**
 * A comment over a call stands before each statement that the call sends. It is stale only when it silences none of them.
 */
function withoutUsedIgnores(
  findings: readonly Finding[],
  { findings: original }: LintReport,
  planned: ReadonlyMap<string, PlannedText>,
): Finding[] {
  const stale = new Map<string, number>()
  const key = ({ file, line, message }: Finding) => `${file}:${line}:${message}`
  for (const finding of findings) if (isStale(finding)) stale.set(key(finding), (stale.get(key(finding)) ?? 0) + 1)
  const told = new Set<string>()
  return findings.filter((finding, n) => {
    const own = planned.get(original[n]?.file ?? '')
    if (!isStale(finding) || !own || own.source === null) return true
    const comment = own.text.split('\n')[(original[n]?.line ?? 1) - 1]
    const copies = own.text
      .split('\n')
      .filter((text, at) => text === comment && sourceLine(own.text, at + 1) === finding.line)
    if ((stale.get(key(finding)) ?? 0) < copies.length || told.has(key(finding))) return false
    told.add(key(finding))
    return true
  })
}

function isStale({ rule }: Finding): boolean {
  return rule === 'stale-ignore'
}
