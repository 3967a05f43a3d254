import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Percent of the lines of packages/ that tests must reach. */
const coverageBar = 90

interface Script {
  readonly url: string
  readonly functions: readonly { readonly ranges: readonly Range[] }[]
}

/** Characters of the script and how often they ran; what lies inside a range of its own counts as that one says. */
interface Range {
  readonly startOffset: number
  readonly endOffset: number
  readonly count: number
}

/** The lines of a file of packages/ that are code, and those of them that ran. */
interface Lines {
  readonly code: Set<number>
  readonly ran: Set<number>
}

/**
 * Adds what processes ran to a file that tests of several runs share.
 * @param written where the processes wrote with NODE_V8_COVERAGE
 * @param bundles the folder of the compiled code that they ran, with its source maps
 */
export async function addCoverage(file: string, written: string, bundles: string): Promise<void> {
  const all = existsSync(file) ? await readCoverage(file) : new Map<string, Lines>()
  for (const [path, { code, ran }] of await linesIn(written, bundles)) {
    const before = all.get(path)
    all.set(path, {
      code: new Set([...(before?.code ?? []), ...code]),
      ran: new Set([...(before?.ran ?? []), ...ran]),
    })
  }
  await writeFile(file, JSON.stringify([...all].map(([path, { code, ran }]) => [path, [...code], [...ran]])))
}

async function readCoverage(file: string): Promise<Map<string, Lines>> {
  const entries = JSON.parse(await readFile(file, 'utf8')) as [string, number[], number[]][]
  return new Map(entries.map(([path, code, ran]) => [path, { code: new Set(code), ran: new Set(ran) }]))
}

/** Says which files the tests reach least, and all together. */
export async function sumCoverage(file: string): Promise<{ readonly text: string; readonly isEnough: boolean }> {
  const files = [...(await readCoverage(file))].map(([path, { code, ran }]) => ({
    path,
    lines: code.size,
    covered: ran.size,
  }))
  const sum = (key: 'covered' | 'lines') => files.reduce((total, each) => total + each[key], 0)
  const all = percent({ covered: sum('covered'), lines: sum('lines') })
  const least = files
    .toSorted((a, b) => percent(a) - percent(b))
    .slice(0, 20)
    .map((each) => `${percent(each).toFixed(1).padStart(6)} %  ${relative(process.cwd(), each.path)}`)
  const isEnough = all >= coverageBar
  const verdict = isEnough ? '' : `, less than ${coverageBar} %`
  const text = `files with the fewest lines covered\n${least.join('\n')}\ncoverage: ${all.toFixed(1)} % of ${sum('lines')} lines of code in ${files.length} files of packages/${verdict}`
  return { text, isEnough }
}

function percent({ covered, lines }: { covered: number; lines: number }): number {
  return (100 * covered) / lines
}

/** By path, without tests and their fixtures. */
async function linesIn(written: string, bundles: string): Promise<Map<string, Lines>> {
  const scripts = await readScripts(bundles)
  const files = new Map<string, Lines>()
  for (const { path, line } of [...scripts.values()].flat()) {
    const own = files.get(path) ?? { code: new Set(), ran: new Set() }
    files.set(path, own)
    own.code.add(line)
  }
  for (const file of await readdir(written)) {
    for (const { url, functions } of await readProcess(join(written, file))) {
      const ranges = functions.flatMap((own) => own.ranges)
      for (const { path, line } of whatRan(scripts.get(url) ?? [], ranges)) files.get(path)?.ran.add(line)
    }
  }
  return files
}

/** Where a line of compiled code begins, and what it was made from. */
interface LineStart {
  /** Characters from the script's beginning. */
  readonly offset: number
  readonly path: string
  /** Counted from 1. */
  readonly line: number
}

/** By the script's URL, in the order of offsets. */
async function readScripts(bundles: string): Promise<Map<string, LineStart[]>> {
  const scripts = new Map<string, LineStart[]>()
  for (const name of await readdir(bundles, { recursive: true })) {
    if (!name.endsWith('.mjs')) continue
    const script = join(bundles, name)
    const map = new SourceMap(JSON.parse(await readFile(`${script}.map`, 'utf8')) as SourceMapPayload)
    const starts: LineStart[] = []
    let offset = 0
    for (const [n, text] of (await readFile(script, 'utf8')).split('\n').entries()) {
      const column = text.search(/\S|$/)
      const origin = map.findEntry(n, column)
      if ('originalLine' in origin && n === origin.generatedLine) {
        const path = resolve(dirname(script), origin.originalSource)
        if (isOwn(path)) starts.push({ offset: offset + column, path, line: origin.originalLine + 1 })
      }
      offset += text.length + 1
    }
    scripts.set(pathToFileURL(script).href, starts)
  }
  return scripts
}

function isOwn(path: string): boolean {
  return /\/packages\/[^/]+\/src\//.test(path) && !/\.(test|fixture)\./.test(path)
}

/** A process that a test killed while it wrote leaves half a file. */
async function readProcess(file: string): Promise<Script[]> {
  try {
    return (JSON.parse(await readFile(file, 'utf8')) as { result: Script[] }).result
  } catch {
    return []
  }
}

function whatRan(starts: readonly LineStart[], ranges: readonly Range[]): LineStart[] {
  const waiting = ranges.toSorted((a, b) => b.startOffset - a.startOffset || a.endOffset - b.endOffset)
  const open: Range[] = []
  return starts.filter(({ offset }) => {
    for (let next = waiting.at(-1); next && next.startOffset <= offset; next = waiting.at(-1)) {
      open.push(next)
      waiting.pop()
    }
    while ((open.at(-1)?.endOffset ?? Infinity) <= offset) open.pop()
    return (open.at(-1)?.count ?? 0) > 0
  })
}
