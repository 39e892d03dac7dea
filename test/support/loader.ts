// Imported by tests that load TypeScript in their own process, such as snippets of pages. scripts/test-run.js runs those with a loader, and
// all others from .test/, where there are compiled files beside the TypeScript.
if (import.meta.url.endsWith('.js')) throw new Error('this test loads TypeScript, but was started without a loader')
