import { catalogRules, lintGithub, lintGitlab, lintRules, lintSarif, lintText, type Finding } from '@imhotep/engine'
import { toolVersion } from '../project/tool-version.ts'
import { count, seconds, type Page } from './page.ts'

export interface LintData {
  readonly files: number
  readonly statements: number
  readonly findings: readonly Finding[]
  /** Findings that comments in the files silence. */
  readonly suppressed: number
  /** Findings of the file of known ones. */
  readonly known: number
  /** Changes made by --fix. */
  readonly fixed: number
  /** Source around each finding; empty with --json. */
  readonly excerpts: readonly (string | null)[]
  /** The findings in the format that was asked for; null when they go to a file, or as text. */
  readonly document: string | null
  readonly ms: number
}

/** Formats of other programs, by the name of `--format`. */
export const lintFormats: Readonly<Record<string, (findings: readonly Finding[]) => string>> = {
  sarif: (findings) => json(lintSarif(findings, [...lintRules, ...catalogRules], toolVersion())),
  github: (findings) => lintGithub(findings).join('\n'),
  gitlab: (findings) => json(lintGitlab(findings)),
}

export function printLint(data: LintData, page: Page): void {
  if (data.document !== null) {
    if (data.document !== '') page.line(data.document)
    return
  }
  for (const line of lintText(data.findings, data.excerpts, (text, tone) => page.paint(text, tone))) page.line(line)
  const errors = data.findings.filter(({ severity }) => severity === 'error').length
  const found = page.paint(count(data.findings.length, 'finding'), errors > 0 ? 'bad' : 'good')
  const left = [
    data.known > 0 ? `${data.known} known` : '',
    data.suppressed > 0 ? `${data.suppressed} silenced by comments` : '',
    data.fixed > 0 ? count(data.fixed, 'change') + ' made' : '',
  ].filter((text) => text !== '')
  page.line(
    [`${count(data.files, 'file')}, ${count(data.statements, 'statement')}: ${found}`, ...left].join(', ') +
      ` (${seconds(data.ms)})`,
  )
}

function json(value: object): string {
  return JSON.stringify(value, null, 2)
}
