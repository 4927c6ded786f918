//! QR codes: shown in the terminal, and read from a picture. What they say is text, which can be pasted as well.

use std::io::Read;
use std::path::Path;

use base64ct::{Base64UrlUnpadded, Encoding};
use image::ImageReader;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use crate::failure::Failure;

/// The most pixels of a picture, along one side: photographs of phones have fewer.
const MOST_PIXELS: u32 = 12_000;
/// The longest text of a code, in bytes.
const LONGEST: u64 = 4096;

/// The code of a text, for a terminal with light letters on a dark ground: what is dark in a code is left out.
pub(crate) fn shown(text: &str) -> Result<String, Failure> {
    let code = QrCode::new(text)
        .map_err(|_| Failure::usage("this is too long for a QR code", "Copy the text instead."))?;
    Ok(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

/// Bytes as the text of a code that says what it is for.
pub(crate) fn text(prefix: &str, bytes: &[u8]) -> String {
    format!("{prefix}{}", Base64UrlUnpadded::encode_string(bytes))
}

/// The bytes of a code with this prefix: in a picture, if there is such a file, else in the text itself; `-` reads it from
/// standard input.
pub(crate) fn scanned(given: &str, prefix: &str) -> Result<Vec<u8>, Failure> {
    let mut found = String::new();
    match given {
        "-" => {
            let text = std::io::stdin().take(LONGEST).read_to_string(&mut found);
            text.map_err(|e| Failure::io("standard input", &e))?;
        }
        text if text.starts_with(prefix) => text.clone_into(&mut found),
        file => found = read(Path::new(file))?,
    }
    let bytes = found.trim().strip_prefix(prefix).map(Base64UrlUnpadded::decode_vec);
    bytes.and_then(Result::ok).ok_or_else(|| {
        Failure::usage("this code says something else", "Scan what the same command shows on the other side.")
    })
}

/// The text of the one code in a picture (PNG or JPEG).
pub(crate) fn read(picture: &Path) -> Result<String, Failure> {
    let unreadable = |cause: String| {
        Failure::usage(format!("{} cannot be read: {cause}", picture.display()), "Give a PNG or a JPEG file.")
    };
    let mut reader = ImageReader::open(picture)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|e| unreadable(e.to_string()))?;
    let mut limits = image::Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MOST_PIXELS), Some(MOST_PIXELS));
    reader.limits(limits);
    let grey = reader.decode().map_err(|e| unreadable(e.to_string()))?.into_luma8();
    let (width, height) = (grey.width() as usize, grey.height() as usize);
    let pixel = |x: usize, y: usize| {
        let at = (u32::try_from(x).unwrap_or(0), u32::try_from(y).unwrap_or(0));
        grey.get_pixel_checked(at.0, at.1).map_or(255, |pixel| pixel.0.first().copied().unwrap_or(255))
    };
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, pixel);
    let texts: Vec<String> =
        prepared.detect_grids().iter().filter_map(|grid| grid.decode().ok()).map(|(_, text)| text).collect();
    match &texts[..] {
        [text] => Ok(text.clone()),
        [] => Err(Failure::usage(
            "no QR code is seen in the picture",
            "Take it sharp and straight, with the white rim.",
        )),
        _ => Err(Failure::usage("several QR codes are in the picture", "Cut it to the one that is meant.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma};

    /// A photograph of a terminal: each cell is two modules, one above the other.
    fn photograph(shown: &str) -> GrayImage {
        const SIDE: u32 = 8;
        let lines: Vec<Vec<char>> = shown.lines().map(|line| line.chars().collect()).collect();
        let (width, height) = (lines[0].len() as u32, 2 * lines.len() as u32);
        GrayImage::from_fn(width * SIDE, height * SIDE, |x, y| {
            let (column, row) = ((x / SIDE) as usize, y / SIDE);
            let light = match lines[(row / 2) as usize][column] {
                '█' => true,
                '▀' => row % 2 == 0,
                '▄' => row % 2 == 1,
                _ => false,
            };
            Luma([if light { 230 } else { 20 }])
        })
    }

    #[test]
    fn what_a_terminal_shows_is_read_from_a_photograph_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("conclave-verify:{}", "aZ09-_".repeat(20));
        for name in ["photo.png", "photo.jpg"] {
            let file = dir.path().join(name);
            photograph(&shown(&text).unwrap()).save(&file).unwrap();
            assert_eq!(read(&file).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_picture_or_has_no_code_is_said_to_be_so() {
        let dir = tempfile::tempdir().unwrap();
        let (text, blank) = (dir.path().join("text.png"), dir.path().join("blank.png"));
        std::fs::write(&text, "no picture").unwrap();
        GrayImage::from_pixel(200, 200, Luma([255])).save(&blank).unwrap();
        assert!(read(&text).err().unwrap().message.contains("cannot be read"));
        assert!(read(&blank).err().unwrap().message.contains("no QR code"));
        assert!(read(&dir.path().join("none")).is_err());
    }
}
