import { DumpEncodingError, NotADumpError } from './errors.ts'

/**
 * The lines of an export, in batches, without line ends. Line ends of Windows are taken off when the first line has
 * one: only then are they not the contents of a function.
 * @throws NotADumpError for the other formats of pg_dump, DumpEncodingError
 */
export async function* dumpLines(stream: AsyncIterable<Buffer>, file: string): AsyncGenerator<string[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  let isFirst = true
  let windows = false
  for await (const bytes of stream) {
    if (isFirst) refuseFormats(bytes, file)
    const text = rest + decode(decoder, bytes, file)
    if (isFirst) {
      windows = /^[^\n]*\r\n/.test(text)
      refuseEncoding(text, file)
      isFirst = false
    }
    const lines = text.split('\n')
    rest = lines.pop() ?? ''
    yield windows ? lines.map(withoutReturn) : lines
  }
  rest += decode(decoder, undefined, file)
  if (rest !== '') yield [windows ? withoutReturn(rest) : rest]
}

function decode(decoder: InstanceType<typeof TextDecoder>, bytes: Buffer | undefined, file: string): string {
  try {
    return decoder.decode(bytes, { stream: bytes !== undefined })
  } catch (cause) {
    throw new DumpEncodingError(file, 'in another encoding', { cause })
  }
}

function refuseFormats(bytes: Buffer, file: string): void {
  const start = bytes.toString('latin1', 0, 512)
  if (start.startsWith('PGDMP'))
    throw new NotADumpError(file, 'is in the custom format', `make text of it: pg_restore -f dump.sql '${file}'`)
  if (start.startsWith('toc.dat'))
    throw new NotADumpError(file, 'is in the tar format', `make text of it: pg_restore -f dump.sql '${file}'`)
  if (start.startsWith('\x1f\x8b'))
    throw new NotADumpError(file, 'is compressed', `unpack it: gzip -dc '${file}' > dump.sql`)
  if (start.startsWith('\xff\xfe') || start.startsWith('\xfe\xff')) throw new DumpEncodingError(file, 'UTF-16')
}

/** pg_dump states its encoding among its first lines. */
function refuseEncoding(text: string, file: string): void {
  const encoding = /^SET client_encoding = '([^']+)';/m.exec(text.slice(0, 10_000))?.[1]
  if (encoding !== undefined && !['UTF8', 'SQL_ASCII'].includes(encoding)) throw new DumpEncodingError(file, encoding)
}

function withoutReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line
}
