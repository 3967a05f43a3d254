// Sums up the lines that tests reached: npm run coverage -- FILE, which `npm test -- --coverage FILE` writes.
import { sumCoverage } from './line-coverage.ts'

const { text, isEnough } = await sumCoverage(process.argv[2] ?? '')
console.log(text)
process.exitCode = isEnough ? 0 : 1
