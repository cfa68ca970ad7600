//! Makes sure that there is a web client to embed: where it has not been built, a page that says how to.

use std::{fs, io, path::Path};

const STUB: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>Streamshare</title>
<p>This relay was built without the web client. Run <code>./dev ui</code>, then build the relay again.</p>
</html>
";

fn main() -> io::Result<()> {
    let dist = Path::new("../ui/dist");
    let page = dist.join("index.html");
    if !page.exists() {
        fs::create_dir_all(dist)?;
        fs::write(page, STUB)?;
    }
    println!("cargo::rerun-if-changed=../ui/dist");
    Ok(())
}
