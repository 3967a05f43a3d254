import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { splitSql } from '@imhotep/engine'
import { migrations } from '../databases.ts'
import { measure, type Case } from '../measure.ts'
import type { BenchResult } from '../report.ts'
import type { BenchOptions } from '../run.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const squawk = join(root, 'bench/node_modules/.bin/squawk')
const linesOfGoal = 16_000

/** A script of 16,000 lines, judged by all rules: the whole process as it is installed, against squawk's. */
export async function lint({ scale }: BenchOptions): Promise<BenchResult> {
  await run('npm', ['run', '--silent', 'build'], { cwd: root })
  const folder = await mkdtemp(join(tmpdir(), 'imhotep-lint-'))
  const file = join(folder, 'V001__script.sql')
  const text = await script(linesOfGoal * scale)
  await writeFile(file, text)
  const cases: Case[] = [
    {
      name: 'imhotep lint --profile all --json',
      run: () =>
        call(process.execPath, [join(root, 'packages/cli/dist/main.js'), 'lint', folder, '--profile', 'all', '--json']),
    },
    { name: 'node, nothing else', run: () => call(process.execPath, ['--eval', '0']) },
  ]
  const skipped: string[] = []
  if (existsSync(squawk))
    cases.push({ name: 'squawk --reporter json', run: () => call(squawk, ['--reporter', 'json', file]) })
  else skipped.push('squawk: npm i --prefix bench')

  const measured = await measure(cases, 5)
  await rm(folder, { recursive: true })
  const [ours, , peer] = measured
  return {
    bench: 'lint',
    measured,
    figures: [
      { name: 'whole process', value: (ours?.wallMs ?? Number.NaN) / 1000, unit: 's', goal: `<= ${scale}` },
      ...(ours && peer
        ? [{ name: 'imhotep lint / squawk', value: ours.wallMs / peer.wallMs, unit: 'x' as const }]
        : []),
    ],
    skipped,
    setting: { lines: text.split('\n').length, bytes: text.length },
  }
}

/** The statements of our own schema up to so many lines, and again from the start when these are not enough. */
async function script(lines: number): Promise<string> {
  const files = (await readdir(migrations)).filter((name) => name.startsWith('V')).toSorted()
  const text = (await Promise.all(files.map((name) => readFile(join(migrations, name), 'utf8')))).join('\n')
  const parts: string[] = []
  for (let count = 0; count < lines;) {
    for (const { start, end } of splitSql(text)) {
      const statement = `${text.slice(start, end)};\n`
      parts.push(statement)
      count += statement.split('\n').length - 1
      if (count >= lines) break
    }
  }
  return parts.join('')
}

/** Findings make an exit code of 1: both have answered. */
async function call(program: string, args: string[]): Promise<void> {
  await run(program, args, { maxBuffer: 1 << 28 }).catch((error: { code?: unknown }) => {
    if (error.code !== 1) throw error
  })
}
