import { tableId } from '../../model.ts'
import type { Dependency, Findings, Warning } from '../dependency.ts'
import { AllowListGrowthError } from './errors.ts'

/** Dependencies that a team still has and has planned to remove. */
export interface AllowList {
  readonly file: string
  readonly entries: readonly AllowEntry[]
}

export interface AllowEntry {
  /** Of a `Dependency` or a `Warning`. */
  readonly id: string
  /** For people: what it is. */
  readonly what: string
  /** Where its removal is planned. */
  readonly issue: string
  readonly reason: string
  /** Counted from 1. */
  readonly line: number
}

export interface Verdict {
  /** Neither settled by a copy nor on the list: these stop a split. */
  readonly refused: readonly Dependency[]
  readonly refusedUnknown: readonly Warning[]
  readonly refusedLoopCalls: readonly Warning[]
  readonly allowed: readonly (Dependency | Warning)[]
  /** Entries whose dependency is gone: the list can shrink. */
  readonly stale: readonly AllowEntry[]
}

/** Compares what was found with what is allowed. */
export function judge(findings: Findings, list: AllowList | null): Verdict {
  const ids = new Set(list?.entries.map(({ id }) => id))
  const open = findings.dependencies.filter(({ settled }) => !settled)
  const all = [...open, ...findings.unknown, ...findings.loopCalls]
  const found = new Set(all.map(({ id }) => id))
  return {
    refused: open.filter(({ id }) => !ids.has(id)),
    refusedUnknown: findings.unknown.filter(({ id }) => !ids.has(id)),
    refusedLoopCalls: findings.loopCalls.filter(({ id }) => !ids.has(id)),
    allowed: all.filter(({ id }) => ids.has(id)),
    stale: list?.entries.filter(({ id }) => !found.has(id)) ?? [],
  }
}

/**
 * Compares a list with its last accepted version.
 * @throws AllowListGrowthError when it names anything that the version before did not
 */
export function assertOnlyShrinks(before: AllowList, after: AllowList): void {
  const known = new Set(before.entries.map(({ id }) => id))
  const added = after.entries.filter(({ id }) => !known.has(id))
  if (added.length > 0) {
    throw new AllowListGrowthError(
      after.file,
      added.map(({ id, what }) => `${id} (${what})`),
    )
  }
}

/** `view lab_worklist -> clinical: shop.patients` */
export function describe(finding: Dependency | Warning): string {
  if ('to' in finding) {
    const { kind, from, to } = finding
    return `${kind} ${from.object} -> ${to.service}: ${tableId(to.table)}`
  }
  return `${finding.kind} ${finding.object}: ${finding.reason}`
}
