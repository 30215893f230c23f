// "/" goes to the search field. Everything else works without this file.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  document.getElementById("find").focus();
});

// The exact time on hover also in the reader's own zone.
for (const time of document.querySelectorAll("time[datetime]")) {
  const local = new Date(time.dateTime);
  if (!Number.isNaN(local.valueOf()) && local.getTimezoneOffset() !== 0) {
    time.title += `\n${local.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })} here`;
  }
}
