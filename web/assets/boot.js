// Before the first paint: the theme and the language chosen last time, so that neither flashes.
(function () {
  'use strict';
  try {
    var theme = localStorage.getItem('cronium-theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
    var locale = localStorage.getItem('cronium-locale');
    if (locale) document.documentElement.lang = locale;
  } catch (refused) {
    // Without storage the system's theme and the address's language do.
  }
})();
