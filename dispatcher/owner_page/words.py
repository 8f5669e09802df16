"""What the owner's page says, in Indonesian."""

from __future__ import annotations

from collections.abc import Mapping

from dispatcher.replies import Answer
from dispatcher.workflow import State

NO_PICTURE = "Gambar belum dapat ditampilkan"

ANSWERS: Mapping[Answer, str] = {
    Answer.OWN: "Ya, saya yang mengemudi",
    Answer.OTHER: "Orang lain yang mengemudi",
    Answer.SOLD: "Kendaraan ini sudah saya jual",
    Answer.NOT_MINE: "Ini bukan kendaraan saya",
}
"""The buttons; a dispute has a form of its own."""

STATES: Mapping[State, str] = {
    State.CONFIRMED: (
        "Jawaban Anda sudah kami terima. Petugas akan memberi tahu langkah berikutnya. "
        "Bila ada yang tidak benar, Anda masih dapat mengajukan keberatan di bawah."
    ),
    State.DISPUTED: "Keberatan Anda sudah kami terima. Petugas akan memeriksanya. Anda boleh menambahkan keterangan.",
    State.EXPIRED: "Batas waktu untuk menjawab sudah lewat, tetapi Anda masih dapat menjawab.",
    State.WITHDRAWN: "Kasus ini sudah dibatalkan. Anda tidak perlu melakukan apa pun.",
}
OPEN = "Mohon jawab paling lambat"
UNDER_REVIEW = "Kasus ini sedang diperiksa petugas. Silakan buka lagi halaman ini nanti."

FAULTS: Mapping[str, str] = {
    "wrong": "Nomor referensi dan nomor polisi tidak cocok. Periksa keduanya, lalu coba lagi.",
    "busy": "Terlalu banyak percobaan yang salah. Silakan coba lagi 15 menit lagi.",
    "over": "Waktu melihat halaman sudah habis. Silakan masukkan kembali nomor referensi dan nomor polisi.",
    "reason_missing": "Tuliskan alasan keberatan Anda.",
    "reason_long": "Alasan terlalu panjang. Singkatkan menjadi paling banyak 1.000 huruf.",
    "moved_on": "Jawaban ini tidak dapat diterima lagi. Lihat keadaan terakhir di atas.",
}
PROMISE = (
    "Layanan ini tidak pernah mengirim berkas atau aplikasi dan tidak pernah meminta pembayaran, nomor rekening, "
    "kode OTP, atau PIN."
)
