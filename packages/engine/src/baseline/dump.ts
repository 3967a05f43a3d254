/** What was read of an export: its definitions as text, its rows only counted (or handed on). */
export interface Dump {
  readonly file: string
  /** `14.18`, as the header says; null when it does not. */
  readonly serverVersion: string | null
  readonly pgDumpVersion: string | null
  /** The statements that define the schema, with comments; rows and psql commands are gone. */
  readonly text: string
  /** The export's line for a line of `text`, counted from 1. */
  lineOf(line: number): number
  /** Tables that the export holds rows of, in its order. */
  readonly data: readonly DumpTable[]
  /** Settings of sequences to their last value, as the export writes them. */
  readonly sequenceValues: readonly string[]
  /** What is neither definition nor row: commands of psql, of the server and of other databases. */
  readonly leftOut: readonly LeftOut[]
  readonly lines: number
}

export interface DumpTable {
  /** As the export writes it: quoted where it must be, with its schema. */
  readonly name: string
  readonly rows: number
}

export interface LeftOut {
  readonly line: number
  readonly statement: string
  readonly reason: string
}

/** Receives the rows of an export while it is read. */
export interface DataSink {
  /** A statement of an export with --inserts, line by line, as it stands; `ends` with the line that has its semicolon. */
  insertLine(line: string, ends: boolean): Promise<void> | void
  /** `copy <target> from stdin` begins; target is `schema.t (a, b)`. */
  copyStart(target: string): Promise<void> | void
  /** A row in COPY's text form. */
  copyRow(line: string): Promise<void> | void
  copyEnd(): Promise<void> | void
}
