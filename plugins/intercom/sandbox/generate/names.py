"""Names of people by culture, and what companies are called.

A name is written `native|ascii` where its spelling for an email address differs.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

UNDECOMPOSED = str.maketrans("øłđı", "oldi") | {ord("ß"): "ss", ord("æ"): "ae"}


@dataclass(frozen=True)
class Culture:
    """People of one culture: their names, and where and in which language they live."""

    language: str
    country: str
    country_code: str
    continent: str
    cities: tuple[tuple[str, str], ...]
    given: tuple[tuple[str, str], ...]
    family: tuple[tuple[str, str], ...]
    family_first: bool = False


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for word in text.split(","):
        native, _, plain = word.strip().partition("|")
        pairs.append((native, plain or handle(native)))
    return tuple(pairs)


def handle(text: str) -> str:
    """A Latin name as it stands in an email address: `Núñez` → `nunez`."""
    plain = unicodedata.normalize("NFKD", text.lower().translate(UNDECOMPOSED))
    return "".join(letter for letter in plain if letter.isascii() and letter.isalnum())


def _culture(language: str, place: str, cities: str, given: str, family: str, family_first: bool = False) -> Culture:
    country, code, continent = place.split("/")
    towns = tuple((city.strip().split("/")[0], city.strip().split("/")[1]) for city in cities.split(","))
    return Culture(language, country, code, continent, towns, _pairs(given), _pairs(family), family_first)


CULTURES = (
    _culture(
        "en",
        "United States/USA/NA",
        "Austin/Texas, Portland/Oregon, Chicago/Illinois, Boston/Massachusetts",
        "Avery, Jordan, Morgan, Grace, Ethan, Naomi, Caleb, Ruby, Miles, Hannah",
        "Carter, Bennett, Hayes, Monroe, Whitaker, Sutton, Ellis, Price, Barlow, Quinn",
    ),
    _culture(
        "en",
        "United Kingdom/GBR/EU",
        "Leeds/England, Bristol/England, Glasgow/Scotland, Cardiff/Wales",
        "Imogen, Rhys, Freya, Alistair, Poppy, Callum, Harriet, Lewis, Siân, Edmund",
        "Ashworth, MacLeod, Pritchard, Thornbury, Kerr, Holloway, Fenwick, O’Neill|oneill, Davies, Wren",
    ),
    _culture(
        "en",
        "Ireland/IRL/EU",
        "Dublin/Leinster, Cork/Munster, Galway/Connacht",
        "Aoife, Seán, Niamh, Ciarán, Saoirse, Oisín, Róisín, Fionn",
        "Ó Briain|obriain, Walsh, Byrne, Gallagher, Doyle, Nic Dhonnchadha|nicdhonnchadha, Kavanagh, Keane",
    ),
    _culture(
        "de",
        "Germany/DEU/EU",
        "Berlin/Berlin, Köln/Nordrhein-Westfalen, Freiburg/Baden-Württemberg",
        "Jürgen, Anneliese, Björn, Käthe, Lukas, Franziska, Matthias, Ilse, Sören, Heike",
        "Müller, Schröder, Weiß, Lindner, Krüger, von der Heide|vonderheide, Baumgärtner, Engel, Vogt, Öztürk",
    ),
    _culture(
        "fr",
        "France/FRA/EU",
        "Lyon/Auvergne-Rhône-Alpes, Nantes/Pays de la Loire, Lille/Hauts-de-France",
        "Élodie, François, Margaux, Théo, Chloé, Rémi, Inès, Gaëlle, Benoît, Zoé",
        "Lefèvre, Dubois, Garnier, Roux, Chevalier, Moreau, Besnard, d’Arcy|darcy, Fontaine, Benali",
    ),
    _culture(
        "es",
        "Spain/ESP/EU",
        "Sevilla/Andalucía, Valencia/Comunitat Valenciana, Bilbao/País Vasco",
        "Íñigo, Lucía, Álvaro, Carmen, Joaquín, Nuria, Martín, Begoña, Rubén, Aitana",
        "Núñez, García Ortega|garciaortega, Ibáñez, Castaño, Romero, Echeverría, Vidal, Peña, Solís, Cabrera",
    ),
    _culture(
        "es",
        "Mexico/MEX/NA",
        "Guadalajara/Jalisco, Puebla/Puebla, Mérida/Yucatán",
        "Ximena, Emiliano, Guadalupe, Santiago, Valentina, Óscar, Itzel, Rodrigo",
        "Hernández, Ramírez, Zúñiga, Villaseñor, Fuentes, Cárdenas, Tlapale, Escobedo",
    ),
    _culture(
        "pt",
        "Brazil/BRA/SA",
        "Recife/Pernambuco, Curitiba/Paraná, Salvador/Bahia",
        "João, Letícia, Thiago, Conceição, Rafael, Iracema, Luís, Beatriz, Caetano, Marília",
        "Gonçalves, da Silva|dasilva, Araújo, Magalhães, Barbosa, Assunção, Teixeira, Moura, Pacheco, Brandão",
    ),
    _culture(
        "it",
        "Italy/ITA/EU",
        "Bologna/Emilia-Romagna, Torino/Piemonte, Palermo/Sicilia",
        "Giulia, Niccolò, Chiara, Matteo, Ludovica, Davide, Serena, Ettore",
        "D’Angelo|dangelo, Ferraro, Bianchi, Esposito, Colombo, Marchetti, Rinaldi, Galli",
    ),
    _culture(
        "nl",
        "Netherlands/NLD/EU",
        "Utrecht/Utrecht, Groningen/Groningen, Eindhoven/Noord-Brabant",
        "Daan, Fleur, Sjoerd, Maartje, Bram, Lotte, Thijs, Noortje",
        "de Vries|devries, van den Berg|vandenberg, Bakker, Hoekstra, Jansen, ter Horst|terhorst, Smit, Kuipers",
    ),
    _culture(
        "sv",
        "Sweden/SWE/EU",
        "Göteborg/Västra Götaland, Malmö/Skåne, Umeå/Västerbotten",
        "Åsa, Björn, Linnéa, Östen, Maja, Håkan, Ebba, Göran",
        "Lindström, Åkesson, Sjöberg, Nyström, Holm, Ekelöf, Bergqvist, Hägg",
    ),
    _culture(
        "pl",
        "Poland/POL/EU",
        "Kraków/Małopolskie, Łódź/Łódzkie, Gdańsk/Pomorskie",
        "Małgorzata, Paweł, Zofia, Łukasz, Agnieszka, Michał, Kinga, Stanisław",
        "Wiśniewski, Dąbrowska, Zieliński, Woźniak, Kaczmarek, Król, Górska, Mazur",
    ),
    _culture(
        "tr",
        "Turkey/TUR/AS",
        "İzmir/Ege, Bursa/Marmara, Trabzon/Karadeniz",
        "Ayşe, Mehmet, Zeynep, Çağlar, Gülsüm, Işıl, Ömer, Elif",
        "Yılmaz, Şahin, Çelik, Doğan, Kılıç, Güneş, Aydın, Özdemir",
    ),
    _culture(
        "ar",
        "Egypt/EGY/AF",
        "القاهرة/القاهرة, الإسكندرية/الإسكندرية",
        "فاطمة|fatima, أحمد|ahmed, ليلى|layla, يوسف|youssef, مريم|mariam, عمر|omar, نور|nour, خالد|khaled",
        "المصري|elmasry, حسن|hassan, عبد الله|abdallah, منصور|mansour, الخطيب|elkhatib, فاروق|farouk",
    ),
    _culture(
        "he",
        "Israel/ISR/AS",
        "חיפה/חיפה, באר שבע/דרום",
        "נועה|noa, איתי|itai, תמר|tamar, יונתן|yonatan, שירה|shira, אורי|uri",
        "כהן|cohen, לוי|levi, מזרחי|mizrahi, פרידמן|friedman, אברהם|avraham",
    ),
    _culture(
        "hi",
        "India/IND/AS",
        "Pune/Maharashtra, Jaipur/Rajasthan, Kochi/Kerala",
        "Ananya, Rohan, प्रिया|priya, Vikram, Lakshmi, Arjun, दीपक|deepak, Meera, Imran, Kavya",
        "Sharma, Iyer, Banerjee, पटेल|patel, Reddy, Kulkarni, Nair, Chatterjee, Khan, Bose",
    ),
    _culture(
        "zh",
        "China/CHN/AS",
        "成都/四川, 杭州/浙江, 厦门/福建",
        "伟|wei, 芳|fang, 秀英|xiuying, 磊|lei, 静怡|jingyi, 浩然|haoran, 雨桐|yutong, 建国|jianguo",
        "王|wang, 李|li, 张|zhang, 欧阳|ouyang, 陈|chen, 刘|liu, 黄|huang, 赵|zhao",
        True,
    ),
    _culture(
        "ja",
        "Japan/JPN/AS",
        "横浜/神奈川, 札幌/北海道, 福岡/福岡",
        "陽菜|hina, 健太|kenta, 美咲|misaki, 大輔|daisuke, 結衣|yui, 拓海|takumi, さくら|sakura, 翔|sho",
        "佐藤|sato, 鈴木|suzuki, 高橋|takahashi, 渡辺|watanabe, 山本|yamamoto, 五十嵐|igarashi",
        True,
    ),
    _culture(
        "ko",
        "South Korea/KOR/AS",
        "부산/부산, 인천/인천",
        "민준|minjun, 서연|seoyeon, 지우|jiwoo, 하은|haeun, 도윤|doyun, 수빈|subin",
        "김|kim, 이|lee, 박|park, 최|choi, 정|jung, 남궁|namgung",
        True,
    ),
    _culture(
        "vi",
        "Vietnam/VNM/AS",
        "Đà Nẵng/Đà Nẵng, Cần Thơ/Cần Thơ",
        "Thị Hoa|thihoa, Văn Minh|vanminh, Ngọc Ánh|ngocanh, Quang Huy|quanghuy, Thu Trang|thutrang, Đức|duc",
        "Nguyễn, Trần, Lê, Phạm, Đặng, Bùi",
        True,
    ),
    _culture(
        "ru",
        "Kazakhstan/KAZ/AS",
        "Алматы/Алматы, Караганда/Караганда",
        "Анна|anna, Дмитрий|dmitry, Ольга|olga, Айгерим|aigerim, Сергей|sergey, Данияр|daniyar",
        "Иванова|ivanova, Петров|petrov, Ахметов|akhmetov, Соколова|sokolova, Ким|kim, Назарбаева|nazarbaeva",
    ),
    _culture(
        "el",
        "Greece/GRC/EU",
        "Θεσσαλονίκη/Μακεδονία, Πάτρα/Αχαΐα",
        "Ελένη|eleni, Γιώργος|giorgos, Δήμητρα|dimitra, Νίκος|nikos, Σοφία|sofia, Σπύρος|spyros",
        "Παπαδόπουλος|papadopoulos, Νικολάου|nikolaou, Αγγελής|angelis, Βλάχος|vlachos",
    ),
    _culture(
        "sw",
        "Kenya/KEN/AF",
        "Nairobi/Nairobi, Mombasa/Coast, Kisumu/Nyanza",
        "Wanjiku, Otieno, Amina, Kamau, Zawadi, Baraka, Njeri, Juma",
        "Mwangi, Ochieng, Kimani, Wairimu, Hassan, Kiprono, Achieng, Mutua",
    ),
    _culture(
        "yo",
        "Nigeria/NGA/AF",
        "Lagos/Lagos, Ìbàdàn/Ọ̀yọ́, Abuja/FCT",
        "Olúwaṣeun|oluwaseun, Adaeze, Chinedu, Yẹmí|yemi, Ngozi, Babátúndé|babatunde, Ifeoma, Kelechi",
        "Adébáyọ̀|adebayo, Okafor, Balógun|balogun, Eze, Ọlátúnjí|olatunji, Nwosu, Danjuma, Abiola",
    ),
)

FREEMAIL = ("gmail.example", "outlook.example", "icloud.example", "proton.example", "gmx.example", "yahoo.example")

COMPANY_FIRST = (
    "Alder Birch Cobalt Copper Corvid Delta Ember Fathom Fern Foxglove Gravel Harbour Hazel Heron Indigo Juniper "
    "Kestrel Lantern Larch Linden Loom Lumen Maple Marrow Meridian Mistral Nimbus Northwind Oak Ochre "
    "Orchard Osprey Otter Papyrus Pebble Pine Plover Quarry Quill Raven Reed Rowan Saffron Sage Sandpiper "
    "Sequoia Slate Sparrow Spruce Sumac Swift Teal Thistle Timber Umber Velvet Verdant Willow Wren Zephyr"
).split()
COMPANY_SECOND = (
    "Analytics Apparel Bakery Bikes Books Capital Clinics Coffee Dental Design Energy Events Farms Films Fitness Foods "
    "Freight Games Gardens Goods Homes Insurance Interiors Kitchens Labs Legal Logistics Media Motors Music Optics "
    "Outdoors Payments Pets Pharma Print Robotics Schools Security Software Sports Studios Systems Textiles Tools Toys "
    "Travel Works"
).split()
COMPANY_FORMS = ("", "", "", " Ltd", " GmbH", " Inc.", " SARL", " B.V.", " K.K.", " & Sons")
INDUSTRIES = (
    "Retail", "Software", "Manufacturing", "Health care", "Education", "Logistics", "Media", "Hospitality", "Finance",
    "Construction", "Agriculture", "Non-profit",
)  # fmt: skip
