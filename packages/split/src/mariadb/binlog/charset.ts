import type { Session } from '../session.ts'

/** MariaDB's name of a character set -> the one of the encoding standard. */
const labels: Readonly<Record<string, string>> = {
  utf8: 'utf-8',
  utf8mb3: 'utf-8',
  utf8mb4: 'utf-8',
  ascii: 'utf-8',
  latin2: 'iso-8859-2',
  latin5: 'windows-1254',
  latin7: 'iso-8859-13',
  greek: 'iso-8859-7',
  hebrew: 'iso-8859-8',
  cp1250: 'windows-1250',
  cp1251: 'windows-1251',
  cp1256: 'windows-1256',
  cp1257: 'windows-1257',
  koi8r: 'koi8-r',
  koi8u: 'koi8-u',
  cp866: 'ibm866',
  gbk: 'gbk',
  gb18030: 'gb18030',
  gb2312: 'gbk',
  big5: 'big5',
  euckr: 'euc-kr',
  ujis: 'euc-jp',
  sjis: 'shift_jis',
  cp932: 'shift_jis',
  ucs2: 'utf-16be',
  utf16: 'utf-16be',
  utf16le: 'utf-16le',
}

/** Names of character sets by the numbers of their collations, as the log tells the one of a statement. */
export async function readCharsets(session: Session): Promise<ReadonlyMap<number, string>> {
  const rows = await session.rows(
    'select id, character_set_name from information_schema.collations where id is not null',
  )
  return new Map(rows.map(([id, name]) => [Number(id), name ?? '']))
}

export function isKnownCharset(charset: string): boolean {
  return charset === 'latin1' || charset in labels
}

/** A function from bytes to text. */
export function decoderOf(charset: string): (bytes: Buffer) => string {
  if (charset === 'latin1') return latin1
  const label = labels[charset]
  if (label === 'utf-8') return (bytes) => bytes.toString('utf8')
  if (label === undefined) throw new RangeError(`texts in the character set ${charset} cannot be read`)
  const decoder = new TextDecoder(label, { ignoreBOM: true })
  return (bytes) => decoder.decode(bytes)
}

/** What windows-1252 has from 0x80 to 0x9f. Node's own decoder for it reads these as control characters. */
const upper =
  '\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178'

function latin1(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/[\u0080-\u009f]/g, (char) => upper[char.charCodeAt(0) - 0x80] ?? char)
}
