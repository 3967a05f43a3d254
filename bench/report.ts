import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Measured } from './measure.ts'

/** A figure with the goal that it is held against. */
export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: '' | 's' | 'ms' | '/s' | 'x' | '%'
  /** `<= 1.1`, `>= 10`, `= 0`; absent for a figure without a goal. */
  readonly goal?: string
}

export interface BenchResult {
  readonly bench: string
  readonly measured: readonly Measured[]
  readonly figures: readonly Figure[]
  /** What could not be measured and how to get it. */
  readonly skipped: readonly string[]
  /** Sizes and versions that the figures hold for. */
  readonly setting: Record<string, string | number>
}

export function reached(figure: Figure): boolean | null {
  const match = /^(<=|>=|=) ([\d.]+)$/.exec(figure.goal ?? '')
  if (match === null) return null
  const bound = Number(match[2])
  if (match[1] === '<=') return figure.value <= bound
  return match[1] === '>=' ? figure.value >= bound : figure.value === bound
}

export function printResult(result: BenchResult): void {
  console.log(
    `\n${result.bench}  ${Object.entries(result.setting)
      .map(([key, value]) => `${key} ${value}`)
      .join(', ')}`,
  )
  for (const { name, wallMs, cpuMs } of result.measured)
    console.log(
      `  ${name.padEnd(58)} ${format(wallMs).padStart(10)} ms wall${cpuMs === null ? '' : ` ${format(cpuMs).padStart(9)} ms cpu`}`,
    )
  for (const figure of result.figures) {
    const verdict = { true: 'reached', false: 'NOT REACHED', null: '' }[
      String(reached(figure)) as 'true' | 'false' | 'null'
    ]
    console.log(
      `  ${figure.name.padEnd(58)} ${format(figure.value).padStart(10)} ${figure.unit.padEnd(3)} ${figure.goal ? `goal ${figure.goal}  ${verdict}` : ''}`,
    )
  }
  for (const reason of result.skipped) console.log(`  skipped: ${reason}`)
}

export function writeResult(directory: string, result: BenchResult): void {
  mkdirSync(directory, { recursive: true })
  const rounded = JSON.stringify(
    { date: new Date().toISOString().slice(0, 10), node: process.versions.node, ...result },
    (_, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value),
    2,
  )
  writeFileSync(join(directory, `${result.bench}.json`), `${rounded}\n`)
}

function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
