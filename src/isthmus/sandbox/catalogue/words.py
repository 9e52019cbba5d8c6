"""The vocabulary of the generated catalogue, in Vietnamese and English."""

import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of product and the options it comes in."""

    code: str
    vietnamese: str
    english: str
    category: str
    option_names: tuple[str, str]
    options: tuple[tuple[str, ...], tuple[str, ...]]


_COLOURS = ("Đen", "Trắng", "Xanh lá", "Đỏ đô")
_SIZES = ("M", "L", "XL")

FAMILIES = (
    Family("TEE", "Áo thun cotton cổ tròn", "Cotton crew-neck T-shirt", "Áo thun", ("Màu", "Size"), (_COLOURS, _SIZES)),
    Family("DRS", "Đầm maxi hoa nhí", "Floral maxi dress", "Đầm", ("Màu sắc", "Kích cỡ"), (_COLOURS, _SIZES)),
    Family("SNK", "Giày sneaker nam", "Men's sneakers", "Giày", ("Color", "Size"), (_COLOURS, ("40", "41", "42"))),
    Family(
        "BAG",
        "Balo laptop chống nước",
        "Waterproof laptop backpack",
        "Balo",
        ("Màu", "Dung tích"),
        (_COLOURS, ("20L", "25L", "30L")),
    ),
    Family(
        "TEA",
        "Trà ô long Bảo Lộc",
        "Bao Loc oolong tea",
        "Thực phẩm",
        ("Hương", "Khối lượng"),
        (("Nguyên bản", "Hoa nhài", "Sen", "Gừng"), ("100g", "250g", "1kg")),
    ),
    Family(
        "CUP",
        "Ly giữ nhiệt inox 304",
        "Stainless steel tumbler",
        "Nhà bếp",
        ("Màu", "Dung tích"),
        (_COLOURS, ("350ml", "500ml", "900ml")),
    ),
    Family(
        "CBL",
        "Cáp sạc nhanh Type-C",
        "Fast charging USB-C cable",
        "Phụ kiện",
        ("Màu", "Chiều dài"),
        (_COLOURS, ("0.5m", "1m", "2m")),
    ),
    Family(
        "TOY",
        "Bộ xếp hình gỗ cho bé",
        "Wooden puzzle for kids",
        "Đồ chơi",
        ("Mẫu", "Số mảnh"),
        (("Khủng long", "Nông trại", "Xe cộ", "Vũ trụ"), ("24", "48", "96")),
    ),
)

BRANDS = ("Mộc Lan", "Sao Mai", "NoBrand", "Thiên An", "Urban Oak", "Bình Minh", "K&T", 'Nhà "Mưa"')
QUALITIES = ("cao cấp", "giá rẻ", "chính hãng", "mẫu mới 2026", "premium", "form rộng", "hàng Việt Nam", "limited")
EMOJI = ("🔥", "✨", "🎁", "❤️", "🇻🇳")
SENTENCES = (
    "Chất liệu {noun} mềm mịn, không phai màu.",
    "Bảo hành 12 tháng, đổi trả trong 7 ngày.",
    "Giao hàng toàn quốc - freeship đơn từ 99k!",
    "Perfect as a gift; 100% as pictured.",
    "Hướng dẫn: giặt < 30°C & không dùng thuốc tẩy.",
)


def short(option: str) -> str:
    """A few ASCII capitals for an option value, as they stand in SKUs."""
    plain = unicodedata.normalize("NFD", option.replace("Đ", "D").replace("đ", "d"))
    return "".join([letter for letter in plain if letter.isascii() and letter.isalnum()])[:4].upper()
