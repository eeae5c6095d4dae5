// Runs is-antibot on pages: reads [{"file", "url", "status"}] as JSON, writes [{"detected", "provider", "us"}].
const { readFileSync } = require('fs')
const { createRequire } = require('module')
const { performance } = require('perf_hooks')

const [folder, rounds] = process.argv.slice(2)
const isAntibot = createRequire(folder + '/')('is-antibot')

const found = JSON.parse(readFileSync(0, 'utf8')).map(({ file, url, status }) => {
  const page = { url, statusCode: status, html: readFileSync(file, 'utf8'), headers: {} }
  const times = []
  let answer
  for (let round = 0; round < Number(rounds); round++) {
    const start = performance.now()
    answer = isAntibot(page)
    times.push(performance.now() - start)
  }
  const { detected, provider } = answer
  return { detected, provider, us: times.sort((a, b) => a - b)[times.length >> 1] * 1000 }
})
console.log(JSON.stringify(found))
