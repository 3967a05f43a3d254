import { createHash } from 'node:crypto'
import type { Finding } from '../verify/finding.ts'
import { fingerprintOf } from './report/gitlab.ts'

/** How often each finding is known, by the digest of what makes it the same one. Kept in a file beside the history. */
export type KnownFindings = Readonly<Record<string, number>>

/** Takes out the findings that were there when the rules came: an old history is adopted as it is, new mistakes are told. */
export function withoutKnown(
  findings: readonly Finding[],
  known: KnownFindings,
): { findings: Finding[]; known: number; gone: number } {
  const left = new Map(Object.entries(known))
  const fresh = findings.filter((finding) => {
    const key = digest(finding)
    const count = left.get(key) ?? 0
    if (count > 0) left.set(key, count - 1)
    return count === 0
  })
  const gone = [...left.values()].reduce((sum, count) => sum + count, 0)
  return { findings: fresh, known: findings.length - fresh.length, gone }
}

/** What `withoutKnown` needs to stay silent about these. */
export function knownOf(findings: readonly Finding[]): KnownFindings {
  const counts: Record<string, number> = {}
  for (const finding of findings) counts[digest(finding)] = (counts[digest(finding)] ?? 0) + 1
  return Object.fromEntries(Object.entries(counts).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function digest(finding: Finding): string {
  return `${finding.rule} ${createHash('sha256').update(fingerprintOf(finding)).digest('hex').slice(0, 24)}`
}
