// Loads packages of npm in a page: `modules` has their files by path, each wrapped in a function. It
// resolves names as the packages of this test need it, no more.
const loaded = {};
window.process = { env: {} };

function resolve(from, name) {
  if (!name.startsWith('.')) return entries[name];
  const parts = from.split('/').slice(0, -1);
  for (const part of name.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.' && part !== '') parts.push(part);
  }
  const path = parts.join('/');
  return [path, `${path}.js`, `${path}/index.js`].find((candidate) => candidate in modules);
}

function load(path) {
  if (!(path in modules)) throw new Error(`there is no module ${path}`);
  if (path in loaded) return loaded[path].exports;
  const module = (loaded[path] = { exports: {} });
  modules[path].call(module.exports, module, module.exports, (name) => load(resolve(path, name)));
  return module.exports;
}

window.JsSIP = load(entries.jssip);
