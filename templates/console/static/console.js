// "/" goes to the search field. Everything else works without this file.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  document.getElementById("find").focus();
});

// On a narrow screen the navigation scrolls: show where we are.
document.querySelector(".top nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// The exact time on hover also in the reader's own zone.
for (const time of document.querySelectorAll("time[datetime]")) {
  const local = new Date(time.dateTime);
  if (!Number.isNaN(local.valueOf()) && local.getTimezoneOffset() !== 0) {
    time.title += `\n${local.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })} here`;
  }
}
