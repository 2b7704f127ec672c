"""Start the Chromium of the system, for tests, pictures and measurements."""

import contextlib
import shutil

PATH = shutil.which('chromium') or shutil.which('chromium-browser')


@contextlib.contextmanager
def launched():
  """Yield a browser.

  Raises:
    FileNotFoundError: No Chromium is installed.
  """
  if PATH is None:
    raise FileNotFoundError(
      'No Chromium is installed. Install one: apt-get install chromium'
    )
  from playwright import sync_api

  with sync_api.sync_playwright() as playwright:
    browser = playwright.chromium.launch(
      executable_path=PATH, args=['--no-sandbox']
    )
    yield browser
    browser.close()
