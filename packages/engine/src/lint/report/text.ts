import { codeFrame } from '../../parse/code-frame.ts'
import type { Finding } from '../../verify/finding.ts'
import type { LintReport } from '../lint-files.ts'

/** More of one rule in one file than this are counted, not shown. */
const shownOfKind = 5
const widestLine = 160

export type Paint = (text: string, tone: 'bold' | 'dim' | 'good' | 'bad' | 'warn') => string

/** The source around each finding, null for those without a place. */
export function excerpts(findings: readonly Finding[], texts: LintReport['texts']): (string | null)[] {
  return findings.map(({ file, line, column }) => {
    const text = file === null ? undefined : texts.get(file)
    return text === undefined || line === null ? null : codeFrame(text, line, column ?? 1)
  })
}

/** Findings for a person: each with its source, both ends and the way out; repeats of a rule in a file are grouped. */
export function lintText(findings: readonly Finding[], sources: readonly (string | null)[], paint: Paint): string[] {
  const counts = new Map<string, number>()
  const lines = findings.flatMap((finding, n) => {
    const kind = `${finding.file ?? finding.family}: ${finding.rule}`
    const count = (counts.get(kind) ?? 0) + 1
    counts.set(kind, count)
    return count > shownOfKind ? [] : [...describe(finding, sources[n] ?? null, paint, count === 1), '']
  })
  const left = [...counts].filter(([, count]) => count > shownOfKind)
  return [...lines, ...left.map(([kind, count]) => paint(`${kind}: ${count - shownOfKind} more`, 'dim'))]
}

function describe(finding: Finding, source: string | null, paint: Paint, isFirst: boolean): string[] {
  const { file, line, column, severity, rule, object, message, related, help, fix } = finding
  const place = file === null ? (object ?? '') : `${file}:${line}:${column}`
  return [
    `${place} ${paint(severity, severity === 'error' ? 'bad' : 'warn')} ${paint(rule, 'bold')}: ${message}`,
    ...(source === null ? [] : source.split('\n').map((text) => paint(`  ${shorten(text)}`, 'dim'))),
    ...related.map((end) => `  ${end.file}:${end.line}: ${end.message}`),
    ...(isFirst ? [`  ${paint('instead:', 'good')} ${help}`] : []),
    ...(fix === null ? [] : [`  ${paint('fix:', 'good')} ${fix}`]),
  ]
}

function shorten(text: string): string {
  return text.length > widestLine ? `${text.slice(0, widestLine - 3)}...` : text
}
