// Loads the application. Where that fails, says so instead of leaving an empty page.
import init from './cronium.js';

init({ module_or_path: new URL('./cronium_bg.wasm', import.meta.url) }).catch((error) => {
  console.error(error);
  const note = document.getElementById('boot-failed');
  if (!note) return;
  note.textContent = document.documentElement.lang.startsWith('es')
    ? 'Cronium no ha podido iniciarse. Recargue la página.'
    : 'Cronium could not start. Reload the page.';
  note.hidden = false;
});
