// The widget manager asks MathJax 2 to set the formulas in a label. MathJax 4 has no such queue: this one hands the work on.
(() => {
  if (!window.MathJax) return; // a page without formulas
  const hub = { Queue: (job) => window.MathJax.typesetPromise?.([job[2]]) };
  window.MathJax.Hub = hub;
  window.MathJax.startup = {
    ...window.MathJax.startup,
    ready() {
      window.MathJax.startup.defaultReady();
      window.MathJax.Hub = hub;
    },
  };
})();
