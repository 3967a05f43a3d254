import { createHash } from 'node:crypto'
import type { Finding } from '../../verify/finding.ts'

const SEVERITIES = { error: 'major', warning: 'minor', info: 'info' } as const

/** GitLab's code quality report: a list of issues whose fingerprint stays when lines move. */
export function lintGitlab(findings: readonly Finding[]): object[] {
  const seen = new Map<string, number>()
  return findings.map((finding) => {
    const { rule, severity, message, file, line } = finding
    const key = fingerprintOf(finding)
    const nth = seen.get(key) ?? 0
    seen.set(key, nth + 1)
    return {
      description: message,
      check_name: rule,
      fingerprint: createHash('sha256').update(`${key} ${nth}`).digest('hex').slice(0, 32),
      severity: SEVERITIES[severity],
      location: { path: file ?? 'database', lines: { begin: line ?? 1 } },
    }
  })
}

/** What makes a finding the same one after the file was edited elsewhere. */
export function fingerprintOf({ rule, file, object, message }: Finding): string {
  return [rule, file ?? '', object ?? '', message].join('\u0000')
}
