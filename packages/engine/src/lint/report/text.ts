import { codeFrame } from '../../parse/code-frame.ts'
import type { Finding } from '../../verify/finding.ts'
import type { LintReport } from '../lint-files.ts'

/** More of one rule in one file than this are counted, not shown. */
const shownOfKind = 5

export type Paint = (text: string, tone: 'bold' | 'dim' | 'good' | 'bad' | 'warn') => string

/** Findings for a person: by file, each with its line of source, both ends and the way out; repeats are grouped. */
export function lintText({ findings, texts }: Pick<LintReport, 'findings' | 'texts'>, paint: Paint): string[] {
  const lines: string[] = []
  const shown = new Map<string, number>()
  for (const finding of findings) {
    const kind = `${finding.file} ${finding.rule}`
    const count = (shown.get(kind) ?? 0) + 1
    shown.set(kind, count)
    if (count <= shownOfKind) lines.push(...describe(finding, texts, paint, count === 1), '')
  }
  for (const [kind, count] of shown) {
    if (count <= shownOfKind) continue
    const [file, rule] = kind.split(' ')
    lines.push(paint(`${file}: ${count - shownOfKind} more of ${rule}`, 'dim'), '')
  }
  return lines
}

function describe(finding: Finding, texts: LintReport['texts'], paint: Paint, isFirst: boolean): string[] {
  const { file, line, column, severity, rule, message, related, help, fix } = finding
  const place = file === null ? (finding.object ?? '') : `${file}:${line}:${column}`
  const lines = [
    `${place} ${paint(severity, severity === 'error' ? 'bad' : 'warn')} ${paint(rule, 'bold')}: ${message}`,
  ]
  const text = file === null ? undefined : texts.get(file)
  if (text !== undefined && line !== null && column !== null) lines.push(...frame(text, line, column, paint))
  for (const end of related) {
    lines.push(`  ${end.file}:${end.line}: ${end.message}`)
    const source = texts.get(end.file)?.split('\n')[end.line - 1]
    if (source !== undefined) lines.push(paint(`    ${source.trim()}`, 'dim'))
  }
  if (isFirst) lines.push(`  ${paint('instead:', 'good')} ${help}`)
  if (fix !== null) lines.push(`  ${paint('fix:', 'good')} ${fix}`)
  return lines
}

function frame(text: string, line: number, column: number, paint: Paint): string[] {
  return codeFrame(text, line, column)
    .split('\n')
    .map((own) => paint(`  ${own.length > 160 ? `${own.slice(0, 157)}...` : own}`, 'dim'))
}
