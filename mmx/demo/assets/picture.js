const MOST = 20 * 2 ** 20;
const KINDS = ["image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp"];

function refuse(text) {
  const line = element.querySelector(".mmx-error");
  line.textContent = text;
  line.hidden = false;
}

function take(file) {
  if (!file) return;
  if (!KINDS.includes(file.type)) return refuse("This is no picture that the page takes: JPEG, PNG, WebP, GIF or BMP.");
  if (file.size > MOST) return refuse("This picture has more than 20 MB. Scale it down first.");
  const reader = new FileReader();
  reader.onload = () => {
    props.value = { name: file.name, url: reader.result };
    trigger("input");
  };
  reader.readAsDataURL(file);
}

element.addEventListener("change", (event) => take(event.target.files[0]));
element.addEventListener("dragover", (event) => event.preventDefault());
element.addEventListener("drop", (event) => {
  event.preventDefault();
  take(event.dataTransfer.files[0]);
});
