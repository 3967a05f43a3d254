import { hasSqlDetails, loadModule, parsePlPgSQLSync, parseSync, type Node, type ParseResult } from 'libpg-query'

export type { Node } from 'libpg-query'

let loading: Promise<void> | undefined

/** Loads PostgreSQL's grammar (WASM) once; everything below is synchronous afterwards. */
export function loadParser(): Promise<void> {
  loading ??= loadModule()
  return loading
}

/** What PostgreSQL's grammar says about a text that it refuses. */
export interface GrammarFailure {
  readonly message: string
  /** Counted from 0, in characters (code points). */
  readonly character: number
}

export interface RawStatement {
  readonly node: Node
  /** UTF-8 bytes. */
  readonly start: number
  /** UTF-8 bytes; null when the statement runs to the end of the text. */
  readonly length: number | null
}

/** Parses a text with PostgreSQL's grammar; `loadParser` must have finished. Offsets are UTF-8 bytes. */
export function parseRaw(text: string): RawStatement[] | GrammarFailure {
  // The binding refuses an empty text, which is a valid one.
  if (text === '') return []
  let result: ParseResult
  try {
    result = parseSync(text)
  } catch (error) {
    return grammarFailure(error)
  }
  return (result.stmts ?? []).map((raw) => ({
    node: raw.stmt as Node,
    start: raw.stmt_location ?? 0,
    length: raw.stmt_len ?? null,
  }))
}

/** The tree of a PL/pgSQL function (given as its whole CREATE FUNCTION or DO text), null when it does not parse. */
export function parsePlpgsql(text: string): unknown {
  try {
    return parsePlPgSQLSync(text)
  } catch {
    return null
  }
}

function grammarFailure(error: unknown): GrammarFailure {
  if (!(error instanceof Error)) return { message: String(error), character: 0 }
  if (!hasSqlDetails(error) || !error.sqlDetails) return { message: error.message, character: 0 }
  return { message: error.sqlDetails.message, character: Math.max(0, error.sqlDetails.cursorPosition) }
}
