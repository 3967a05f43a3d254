import { readdir, readFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import type { Collector } from '../collector.ts'
import { findLoopCalls } from '../loop-calls/find-loop-calls.ts'
import { isScript, readModule, type CodeModule } from '../loop-calls/read-module.ts'
import type { Names } from '../names.ts'
import { withoutValues } from '../sql/fingerprint.ts'
import { tokenise } from '../sql/tokens.ts'
import { codeStrings, languageOf, type CodeString } from './code-strings.ts'

export interface SourceFolder {
  readonly directory: string
  /** Whose code it is; else each statement belongs to the owner of what it writes or names first. */
  readonly service?: string
}

const leftOut = new Set(['node_modules', '.git', 'dist', 'build', 'vendor', 'target', '__pycache__', '.venv'])
const looksLikeSql = /^[\s(]*(select|insert|update|delete|replace|with|merge|truncate|call|lock)\b/i

/** SQL in string literals and `.sql` files of a folder, and calls of other services that JavaScript makes in loops. */
export async function addSourceCode(folder: SourceFolder, names: Names, collector: Collector): Promise<void> {
  const modules: CodeModule[] = []
  for await (const file of filesIn(folder.directory)) {
    collector.looked('source files')
    const text = await readFile(file, 'utf8')
    const language = languageOf(file)
    const strings = language ? codeStrings(text, language) : sqlStatements(text, names)
    const shown = relative(folder.directory, file).split(sep).join('/')
    if (isScript(shown)) {
      const module = readModule(shown, text)
      if (module) modules.push(module)
      else
        collector.addUnknown('source code', shown, 'it cannot be parsed', { evidence: shown, count: 1, lastSeen: null })
    }
    for (const { text: sql, line } of strings) {
      if (!looksLikeSql.test(sql) || !namesTable(sql, names)) continue
      collector.looked('SQL strings')
      const evidence = `${shown}:${line}`
      const uses = names.usesOf(sql)
      const plain = withoutValues(sql, names.dialect)
      const object = uses.doubts.length > 0 ? evidence : `${shown}: ${plain.slice(0, 120)}`
      collector.addUses('source code', object, uses, { evidence, count: 1, lastSeen: null }, folder.service)
    }
  }
  for (const call of findLoopCalls(modules, collector.services)) collector.addLoopCall(call)
}

/** English begins like SQL at times; without the name of a table it is not about ours. */
function namesTable(sql: string, names: Names): boolean {
  const { tokens, isCut } = tokenise(sql, names.dialect)
  return (
    isCut ||
    tokens.some(
      ({ kind, text, end }) =>
        (kind === 'word' || kind === 'name') && (names.isNamed(text) || isDynamicTable(sql, text, end)),
    )
  )
}

/** `from ?`: whatever is put in there may be ours. */
function isDynamicTable(sql: string, word: string, end: number): boolean {
  return /^(from|join|into|update)$/i.test(word) && /^\s*\?/.test(sql.slice(end))
}

/** Statements of a file of SQL, with their lines. */
function sqlStatements(text: string, names: Names): CodeString[] {
  const { tokens } = tokenise(text, names.dialect)
  const found: CodeString[] = []
  let start: number | undefined
  let end = 0
  const close = () => {
    if (start !== undefined) found.push({ text: text.slice(start, end), line: text.slice(0, start).split('\n').length })
    start = undefined
  }
  for (const token of tokens) {
    if (token.kind === 'sign' && token.text === ';') close()
    else start ??= token.start
    end = token.end
  }
  close()
  return found
}

async function* filesIn(directory: string): AsyncGenerator<string> {
  const entries = await readdir(directory, { withFileTypes: true })
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, entry.name)
    if (entry.isDirectory() && !leftOut.has(entry.name)) yield* filesIn(path)
    else if (entry.isFile() && (languageOf(entry.name) || entry.name.endsWith('.sql'))) yield path
  }
}
