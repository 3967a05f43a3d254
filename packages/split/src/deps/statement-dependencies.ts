import { fingerprint, withoutValues } from './sql/fingerprint.ts'
import type { Collector } from './collector.ts'
import type { Names } from './names.ts'

/** A statement that somebody sent. */
export interface SeenStatement {
  readonly text: string
  /** `file:line` or `digest ...`. */
  readonly evidence: string
  readonly count: number
  readonly lastSeen: Date | null
  /** Why the text is not all that was sent. */
  readonly doubt?: string
}

const LONGEST = 160

/** Statements of statistics and logs. Their values are left out of everything that is reported. */
export async function addStatements(
  statements: AsyncIterable<SeenStatement> | Iterable<SeenStatement>,
  names: Names,
  collector: Collector,
): Promise<void> {
  for await (const { text, evidence, count, lastSeen, doubt } of statements) {
    collector.looked('statements')
    if (
      /^\s*(create|alter|drop|grant|revoke|comment|set|show|explain|use|analyze|vacuum|commit|rollback|begin)\b/i.test(
        text,
      )
    )
      continue
    const uses = names.usesOf(text)
    const doubts = doubt === undefined ? uses.doubts : [...new Set([...uses.doubts, doubt])]
    collector.addUses('statement', objectOf(text, doubts, names), { ...uses, doubts }, { evidence, count, lastSeen })
  }
}

/** The statement without its values; only its fingerprint when it may be torn in the middle of one. */
function objectOf(text: string, doubts: readonly string[], names: Names): string {
  const print = fingerprint(text, names.dialect)
  if (doubts.length > 0) return `statement ${print}`
  const plain = withoutValues(text, names.dialect)
  return `${plain.length > LONGEST ? `${plain.slice(0, LONGEST)}...` : plain} [${print}]`
}
