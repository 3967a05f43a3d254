import { pageFrame, pageTable, type PageCell } from '../report/page-frame.ts'
import { escapeHtml } from '../deps/report/escape.ts'
import type { GuideReport, GuideResult } from './run-guide.ts'

/** The answers as one page, by service. */
export function guidePage({ source, at, results, passed, failed, notApplicable }: GuideReport): string {
  const services = [...new Set(results.map(({ service }) => service))]
  const sections = services.map((service) => {
    const own = results.filter((result) => result.service === service)
    return `<h2>${escapeHtml(service)}</h2>\n${pageTable(`Tests of ${service}`, ['test', 'asks', 'verdict', 'because'], own.map(rowOf))}`
  })
  return pageFrame(
    `Tests of the split of ${source}`,
    `<p>${passed} passed, <span class="${failed > 0 ? 'bad' : 'good'}">${failed} failed</span>, ${notApplicable} not applicable
<span class="dim">at <time datetime="${at.toISOString()}">${at.toISOString().slice(0, 19).replace('T', ' ')} UTC</time></span></p>
${sections.join('\n')}`,
  )
}

const tones = { pass: 'good', fail: 'bad', 'not applicable': 'dim' } as const

function rowOf({ number, name, asks, verdict, reason }: GuideResult): (PageCell | string)[] {
  return [`${number}. ${name}`, asks, { text: verdict, tone: tones[verdict] }, reason]
}
