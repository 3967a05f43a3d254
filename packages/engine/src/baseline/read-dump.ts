import { createReadStream } from 'node:fs'
import type { DataSink, Dump, DumpTable, LeftOut } from './dump.ts'
import { dumpLines } from './dump-lines.ts'
import { NotADumpError, TruncatedDumpError } from './errors.ts'
import { StatementEnd } from './statement-end.ts'

export interface ReadDumpOptions {
  /** Receives the rows; without it they are counted and dropped. */
  readonly data?: DataSink
  readonly signal?: AbortSignal
}

/**
 * Reads a plain-text export of pg_dump (9.6 to 18). Rows stream past: an export of any size needs the memory of its
 * definitions.
 * @throws NotADumpError, TruncatedDumpError, DumpEncodingError
 */
export async function readDump(file: string, options: ReadDumpOptions = {}): Promise<Dump> {
  const reader = new DumpReader(file, options.data)
  const stream = createReadStream(file, { highWaterMark: 1 << 18, signal: options.signal })
  try {
    for await (const lines of dumpLines(stream, file)) for (const line of lines) await reader.take(line)
  } catch (error) {
    throw fileProblem(file, error) ?? error
  }
  return reader.finish()
}

function fileProblem(file: string, error: unknown): NotADumpError | null {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return new NotADumpError(file, 'does not exist', 'check the path')
  if (code === 'EISDIR') {
    const hint = `make one text file of it: pg_restore -f dump.sql '${file}'`
    return new NotADumpError(file, 'is a directory', hint)
  }
  return code === 'EACCES' ? new NotADumpError(file, 'cannot be read', 'check its permissions') : null
}

type Place = 'between' | 'definition' | 'skipped' | 'insert' | 'copy'

class DumpReader {
  readonly #file: string
  readonly #sink: DataSink | undefined
  readonly #end = new StatementEnd()
  readonly #kept: string[] = []
  /** Export's line of each kept line. */
  readonly #places: number[] = []
  readonly #tables = new Map<string, number>()
  readonly #sequenceValues: string[] = []
  readonly #leftOut: LeftOut[] = []
  readonly #versions: { server: string | null; pgDump: string | null } = { server: null, pgDump: null }
  #place: Place = 'between'
  #line = 0
  #startLine = 0
  #databases = 0
  #isDump = false
  #isComplete = false
  #copied = 0
  #copyTarget = ''

  constructor(file: string, sink: DataSink | undefined) {
    this.#file = file
    this.#sink = sink
  }

  async take(line: string): Promise<void> {
    this.#line++
    if (this.#place === 'copy') return this.#copyRow(line)
    if (this.#place === 'between') {
      if (line === '' || line.startsWith('--')) return this.#comment(line)
      if (line.startsWith('\\')) return this.#psqlCommand(line)
      const copy = /^COPY (.+) FROM stdin;$/i.exec(line)
      if (copy?.[1] !== undefined) return this.#startCopy(copy[1])
      this.#startLine = this.#line
      this.#place = this.#placeOf(line)
    }
    if (this.#place === 'definition') this.#keep(line)
    const ends = this.#end.feed(line)
    if (this.#place === 'insert') await this.#sink?.insertLine(line, ends)
    if (ends) this.#place = 'between'
  }

  finish(): Dump {
    if (!this.#isDump && this.#kept.every((line) => line === '' || line.startsWith('--')))
      throw new NotADumpError(this.#file, 'holds no SQL', 'export the database with: pg_dump --schema-only -f dump.sql')
    if (this.#place === 'copy')
      throw new TruncatedDumpError(this.#file, this.#startLine, 'the rows of COPY have no end')
    if (this.#place !== 'between' || this.#end.open !== null) {
      const what = this.#end.open === null ? 'a statement without its semicolon' : `${this.#end.open} is still open`
      throw new TruncatedDumpError(this.#file, this.#startLine, what)
    }
    if (this.#isDump && !this.#isComplete)
      throw new TruncatedDumpError(this.#file, this.#line, 'the line "PostgreSQL database dump complete" is missing')
    const places = this.#places
    return {
      file: this.#file,
      serverVersion: this.#versions.server,
      pgDumpVersion: this.#versions.pgDump,
      text: `${this.#kept.join('\n')}\n`,
      lineOf: (line) => places[line - 1] ?? line,
      data: [...this.#tables].map(([name, rows]): DumpTable => ({ name, rows })),
      sequenceValues: this.#sequenceValues,
      leftOut: this.#leftOut,
      lines: this.#line,
    }
  }

  #comment(line: string): void {
    if (line === '-- PostgreSQL database dump') this.#isDump = true
    if (line === '-- PostgreSQL database dump complete') this.#isComplete = true
    const server = /^-- Dumped from database version (\S+)/.exec(line)
    const pgDump = /^-- Dumped by pg_dump version (\S+)/.exec(line)
    if (server) this.#versions.server = server[1] ?? null
    if (pgDump) this.#versions.pgDump = pgDump[1] ?? null
  }

  #keep(line: string): void {
    this.#kept.push(line)
    this.#places.push(this.#line)
  }

  #psqlCommand(line: string): void {
    const [command = '', argument = ''] = line.split(/\s+/)
    if (['\\restrict', '\\unrestrict'].includes(command)) return
    if (/^\\(c|connect)$/.test(command)) {
      if (argument === 'template1' || argument === 'postgres' || ++this.#databases < 2) return
      const hint = `export one database at a time: pg_dump --file=dump.sql ${argument}`
      throw new NotADumpError(this.#file, `holds several databases (line ${this.#line})`, hint)
    }
    this.#leftOut.push({ line: this.#line, statement: line, reason: 'a command of psql' })
  }

  /** What the statement that begins with this line is. */
  #placeOf(line: string): Place {
    const insert = /^INSERT INTO ((?:"(?:[^"]|"")+"|[^\s("]+)+) /.exec(line)
    if (insert?.[1] !== undefined) {
      this.#count(insert[1], 1)
      return 'insert'
    }
    if (line.startsWith('SELECT pg_catalog.setval(')) {
      this.#sequenceValues.push(line)
      return 'skipped'
    }
    const reason = leftOutReason(line)
    if (reason === null) return 'definition'
    if (reason !== '') this.#leftOut.push({ line: this.#line, statement: withoutConnection(line), reason })
    return 'skipped'
  }

  async #startCopy(target: string): Promise<void> {
    this.#place = 'copy'
    this.#startLine = this.#line
    this.#copied = 0
    this.#copyTarget = /^((?:"(?:[^"]|"")+"|[^\s("])+)/.exec(target)?.[1] ?? target
    await this.#sink?.copyStart(target)
  }

  #copyRow(line: string): Promise<void> | void {
    if (line !== '\\.') {
      this.#copied++
      return this.#sink?.copyRow(line)
    }
    this.#place = 'between'
    this.#count(this.#copyTarget, this.#copied)
    return this.#sink?.copyEnd()
  }

  #count(table: string, rows: number): void {
    this.#tables.set(table, (this.#tables.get(table) ?? 0) + rows)
  }
}

/** Why a statement is no part of the schema; empty when there is nothing to say about it, null when it is a part. */
function leftOutReason(line: string): string | null {
  if (line.startsWith('SET ')) return setReason(line)
  if (/^(BEGIN|COMMIT|START TRANSACTION)\b/.test(line)) return ''
  const object = SAYS_OF.exec(line)?.[1]
  if (object === 'LARGE OBJECT' || line.startsWith('SELECT pg_catalog.lo_')) return 'a large object: data'
  if (object === 'DATABASE' || /^ALTER ROLE [^']* IN DATABASE /.test(line)) return 'about the database itself'
  if (object === 'SUBSCRIPTION')
    return 'a subscription: its connection holds a password, and a new database would take rows from there'
  if (/^(CREATE|ALTER|DROP) TABLESPACE /.test(line)) return 'about the server'
  // Half of an extension that every database has, and a comment that only its owner may set.
  if (/^(CREATE EXTENSION IF NOT EXISTS|COMMENT ON EXTENSION) plpgsql\b/.test(line)) return ''
  return null
}

/** Anchored: what stands in a text (`COMMENT ON TABLE t IS 'see ON LARGE OBJECT 1'`) says nothing. */
const SAYS_OF =
  /^(?:CREATE|ALTER|DROP|COMMENT ON|(?:GRANT|REVOKE) [A-Z, ]+ ON|SECURITY LABEL (?:FOR (?:"(?:[^"]|"")+"|\S+) )?ON) (LARGE OBJECT|DATABASE|SUBSCRIPTION) /

/** A connection string is for nobody's eyes. */
function withoutConnection(line: string): string {
  return line.replace(/^(\w+ SUBSCRIPTION .+?) CONNECTION .*$/, '$1')
}

/** Settings that change what definitions mean are kept; the others are a session's, or one version's. */
function setReason(line: string): string | null {
  const [, name = '', value = ''] = /^SET (?:SESSION )?(\w+) *= *(.*?);?$/.exec(line) ?? []
  if (MEANING.has(name)) return null
  if (name === 'default_tablespace' && value !== "''") return 'a tablespace: tables go to the default one'
  return ''
}

const MEANING = new Set([
  'search_path',
  'check_function_bodies',
  'standard_conforming_strings',
  'default_table_access_method',
])
