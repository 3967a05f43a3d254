import type { Outcome } from '../command.ts'
import type { Failure } from './failure.ts'
import { redact } from './redact.ts'

/** The one object that `--json` prints: tools are built on it, json.test.ts keeps its shape. */
export function outcomeJson(command: string, outcome: Outcome): string {
  return toLine({ command, ok: outcome.ok, target: outcome.target, ...outcome.data })
}

export function failureJson(command: string, { code, message, hint }: Failure): string {
  return toLine({ command, ok: false, error: { code, message, hint } })
}

function toLine(value: object): string {
  return `${redact(JSON.stringify(value))}\n`
}
