element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) trigger("pick", { number: button.dataset.number });
});
