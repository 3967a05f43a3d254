import { lineColumns } from '../parse/offsets.ts'
import type { Finding } from '../verify/finding.ts'
import type { LintedFile } from './rule.ts'

interface Suppression {
  readonly file: LintedFile
  readonly line: number
  readonly column: number
  readonly rule: string
  readonly reason: string
  /** Lines that it covers, both included. */
  readonly from: number
  readonly to: number
}

const COMMENT = /--[ \t]*imhotep:ignore(-file)?(?:[ \t]+([a-z0-9-]+))?(?:[ \t]+([^\n]*))?/g

/**
 * Takes out what `-- imhotep:ignore <rule> <reason>` silences: in the statement behind it, or on whose lines it stands;
 * `ignore-file` in the whole file. A comment without a reason, or that silences nothing, is a finding itself.
 */
export function applySuppressions(
  files: readonly LintedFile[],
  findings: readonly Finding[],
  rules: readonly string[],
): { findings: Finding[]; suppressed: number } {
  const suppressions = files.flatMap((file) => (file.pending ? read(file) : []))
  const used = new Set<Suppression>()
  const kept = findings.filter((finding) => {
    const by = suppressions.find((own) => own.reason !== '' && covers(own, finding))
    if (by) used.add(by)
    return !by
  })
  const own = suppressions.flatMap((suppression) => judge(suppression, used.has(suppression), rules))
  return { findings: [...kept, ...own], suppressed: findings.length - kept.length }
}

function read(file: LintedFile): Suppression[] {
  if (!file.text.includes('imhotep:ignore')) return []
  const place = lineColumns(file.text)
  const inside = file.statements.map(({ start, end }) => ({ start, end }))
  return [...file.text.matchAll(COMMENT)].map((match) => {
    const [, whole, rule = '', reason = ''] = match
    const { line, column } = place(match.index)
    const statement = inside.find(({ start, end }) => start <= match.index && match.index < lineEnd(file.text, end))
    const covered = statement ?? inside.find(({ start }) => start > match.index)
    const range = covered ? { from: place(covered.start).line, to: place(covered.end).line } : { from: line, to: line }
    const lines = whole ? { from: 0, to: Infinity } : range
    return { file, line, column, rule, reason: reason.trim(), ...lines }
  })
}

/** A comment behind a statement's semicolon, on its last line, is about that statement. */
function lineEnd(text: string, offset: number): number {
  const end = text.indexOf('\n', offset)
  return end < 0 ? text.length : end
}

function covers({ file, rule, from, to }: Suppression, finding: Finding): boolean {
  const line = finding.line ?? 0
  return finding.file === file.file && finding.rule === rule && from <= line && line <= to
}

function judge(own: Suppression, isUsed: boolean, rules: readonly string[]): Finding[] {
  const finding = (rule: string, message: string, help: string): Finding => ({
    rule,
    family: 'structure',
    severity: 'warning',
    file: own.file.file,
    line: own.line,
    column: own.column,
    object: null,
    message,
    related: [],
    help,
    fix: null,
  })
  if (own.rule === '' || own.reason === '')
    return [
      finding(
        'ignore-without-reason',
        `'imhotep:ignore ${own.rule}' gives no reason`,
        'Write it as: -- imhotep:ignore <rule> <reason>',
      ),
    ]
  if (isUsed) return []
  const isKnown = rules.includes(own.rule)
  const why = isKnown ? `nothing here breaks '${own.rule}'` : `no rule that runs here is named '${own.rule}'`
  return [
    finding(
      'stale-ignore',
      `${why}: the comment silences nothing`,
      'Remove the comment, or correct the name of the rule.',
    ),
  ]
}
