import { tableId } from '../../model.ts'
import type { AllowList, Verdict } from '../allow-list/allow-list.ts'
import { judge } from '../allow-list/allow-list.ts'
import type { Dependency, Findings, Warning } from '../dependency.ts'

/** The findings as a table for a terminal, ended by what is left to do. */
export function dependencyText(findings: Findings, list: AllowList | null): string {
  const verdict = judge(findings, list)
  const allowed = new Set(verdict.allowed.map(({ id }) => id))
  const rows = findings.dependencies.map((dependency) => [
    dependency.from.service,
    `${dependency.kind} ${shorten(dependency.from.object)}`,
    `${dependency.to.service}: ${dependency.to.table.name}${dependency.writes ? ' (writes)' : ''}`,
    String(dependency.count),
    dependency.wayOut,
    stateOf(dependency, allowed),
  ])
  const lines = table([['service', 'what', 'uses', 'seen', 'way out', ''], ...rows])
  lines.push(...warnings('unknown, never clean', findings.unknown), ...warnings('calls in loops', findings.loopCalls))
  for (const { id, what, line } of verdict.stale) {
    lines.push(`stale: line ${line} of the allow-list, ${id} (${what}) is gone: run with --shrink`)
  }
  return [...lines, '', summary(findings, verdict)].join('\n')
}

export function summary(findings: Findings, verdict: Verdict): string {
  const keys = findings.dependencies.filter(({ kind }) => kind === 'foreign key').length
  const copied = findings.dependencies.filter(({ settled, kind }) => settled && kind !== 'foreign key').length
  const looked = Object.entries(findings.looked).map(([what, count]) => `${count} ${what}`)
  return [
    `looked at ${looked.join(', ') || 'nothing'}`,
    `${findings.dependencies.length} dependencies between services: ${verdict.refused.length} to solve, ` +
      `${verdict.allowed.length} allowed, ${copied} settled by a copy, ${keys} foreign keys that the split replaces; ` +
      `${verdict.refusedUnknown.length} unknown, ${verdict.refusedLoopCalls.length} calls in loops`,
  ].join('\n')
}

export function stateOf(dependency: Dependency, allowed: ReadonlySet<string>): string {
  if (dependency.settled) return 'settled'
  return allowed.has(dependency.id) ? 'allowed' : 'open'
}

/** The findings as JSON: ids, dates as ISO text, tables as `schema.name`. */
export function dependencyJson(findings: Findings, list: AllowList | null) {
  const verdict = judge(findings, list)
  const allowed = new Set(verdict.allowed.map(({ id }) => id))
  return {
    looked: findings.looked,
    dependencies: findings.dependencies.map((dependency) => ({
      ...dependency,
      to: { service: dependency.to.service, table: tableId(dependency.to.table) },
      lastSeen: dependency.lastSeen?.toISOString() ?? null,
      state: stateOf(dependency, allowed),
    })),
    unknown: findings.unknown.map((warning) => warningJson(warning, allowed)),
    loopCalls: findings.loopCalls.map((warning) => warningJson(warning, allowed)),
    stale: verdict.stale.map(({ id, what, line }) => ({ id, what, line })),
    open: verdict.refused.length + verdict.refusedUnknown.length + verdict.refusedLoopCalls.length,
  }
}

function warningJson(warning: Warning, allowed: ReadonlySet<string>) {
  return {
    ...warning,
    lastSeen: warning.lastSeen?.toISOString() ?? null,
    state: allowed.has(warning.id) ? 'allowed' : 'open',
  }
}

function warnings(title: string, found: readonly Warning[]): string[] {
  if (found.length === 0) return []
  const lines = found.map(
    ({ kind, object, reason, evidence, count }) =>
      `  ${kind} ${object}: ${reason} (${evidence[0] ?? ''}, seen ${count})`,
  )
  return ['', `${title}:`, ...lines]
}

function shorten(text: string): string {
  return text.length > 70 ? `${text.slice(0, 67)}...` : text
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
