// Runs is-antibot over pages: reads [{"file", "url", "status"}] as JSON, writes [{"detected", "provider", "us"}].
const { readFileSync } = require('fs')
const { createRequire } = require('module')
const { performance } = require('perf_hooks')

const [folder, rounds] = process.argv.slice(2)
const isAntibot = createRequire(folder + '/')('is-antibot')

const pages = JSON.parse(readFileSync(0, 'utf8')).map(page => ({ ...page, html: readFileSync(page.file, 'utf8') }))
const ask = ({ url, status, html }) => isAntibot({ url, statusCode: status, html, headers: {} })

const found = pages.map(page => {
  const times = []
  for (let round = 0; round < Number(rounds); round++) {
    const since = performance.now()
    ask(page)
    times.push(performance.now() - since)
  }
  const { detected, provider } = ask(page)
  return { detected, provider, us: times.sort((a, b) => a - b)[times.length >> 1] * 1000 }
})
console.log(JSON.stringify(found))
