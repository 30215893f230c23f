"""Names to draw from: common given and family names by culture, and made-up company names.

No name stands for a real person or company; any likeness comes from common words.
"""

from typing import NamedTuple


class Culture(NamedTuple):
    """Where somebody is from: how they are called, what they read, where their clock is."""

    locale: str
    country: str
    region: str  # a key of team.OWNERS
    zones: tuple[str, ...]
    given: tuple[str, ...]
    family: tuple[str, ...]


def _culture(locale: str, region: str, zones: str, given: str, family: str) -> Culture:
    return Culture(
        locale, locale[-2:], region, tuple(zones.split()), tuple(given.split()), tuple(family.split())
    )


CULTURES: tuple[Culture, ...] = (
    _culture(
        "en-US",
        "americas",
        "America/New_York America/Chicago America/Los_Angeles America/Denver",
        "Avery Jordan Caleb Naomi Logan Paige Marcus Tessa Elliot Sienna Wyatt Joy Dominic Harper",
        "Whitaker Delgado Pruitt Lindgren Okoro Castellano Hobbs Marsh Vance Holloway Beckett Tran Ames Reyes",
    ),
    _culture(
        "en-GB",
        "europe",
        "Europe/London",
        "Imogen Alistair Freya Callum Bethan Rhys Niamh Duncan Poppy Gareth Isla Farid Maisie Tobias",
        "Ashdown Pemberton Gallacher Llewellyn Thorne Hargreaves Cairns Okafor Winslow Penhale Sutcliffe Rahman",
    ),
    _culture(
        "de-DE",
        "europe",
        "Europe/Berlin",
        "Jürgen Anke Matthias Silke Lukas Heike Jonas Käthe Torsten Miriam Björn Yasemin Felix Ulrike",
        "Hölscher Brandtner Kühn Steinmetz Vogelsang Dreyer Schäfer Yıldız Lorenzen Rautenberg Groß Wiegand",
    ),
    _culture(
        "fr-FR",
        "europe",
        "Europe/Paris",
        "Élodie Théo Camille Maxime Océane Baptiste Inès Rémi Margaux Yanis Solène Hugo Noémie Amadou",
        "Lefèvre Marchand Aubertin Rousselot Benali Delacourt Périgault Fontenay Girault Traoré Chabert Vasseur",
    ),
    _culture(
        "es-ES",
        "europe",
        "Europe/Madrid",
        "Lucía Íñigo Marta Álvaro Nerea Gonzalo Irene Jordi Begoña Adrián Noa Rubén Clara Iker",
        "Echeverría Molina Ibáñez Carrasco Peñalver Soler Quintana Aguirre Nadal Vilaró Zamora Robles",
    ),
    _culture(
        "es-MX",
        "americas",
        "America/Mexico_City",
        "Ximena Emiliano Renata Iván Jimena Héctor Valeria Rodrigo Citlali Mateo Abril Joaquín",
        "Cárdenas Villaseñor Olvera Zepeda Montaño Rentería Luján Orozco Tovar Bautista Ledesma Nava",
    ),
    _culture(
        "pt-BR",
        "americas",
        "America/Sao_Paulo",
        "Beatriz Thiago Luana João Larissa Caio Isadora Vinícius Débora Renan Taís Murilo",
        "Azevedo Nóbrega Cavalcanti Furtado Siqueira Brandão Peixoto Tavares Guimarães Lacerda Araújo Pires",
    ),
    _culture(
        "sv-SE",
        "europe",
        "Europe/Stockholm",
        "Ann Göran Ebba Nils Saga Oskar Linnéa Åke Tuva Henrik Malin Sölve",
        "Lindqvist Öberg Sandström Håkansson Ek Nyström Wallin Björklund Falk Strand Hedlund Åkesson",
    ),
    _culture(
        "nl-NL",
        "europe",
        "Europe/Amsterdam",
        "Sanne Joost Femke Daan Marieke Bram Lotte Ruben Anouk Thijs Noor Sjoerd",
        "Verhoeven Dijkstra Hoekstra Kuipers Postma Zijlstra Brouwer Schouten Vermeer Wouters Haverkamp Terpstra",
    ),
    _culture(
        "pl-PL",
        "europe",
        "Europe/Warsaw",
        "Łukasz Agnieszka Paweł Zofia Michał Kasia Grzegorz Małgorzata Tomasz Ewelina Wojciech Iga",
        "Wiśniewski Zając Kowalczyk Mazur Dąbrowska Sikora Pietrzak Gołąb Wrona Szulc Czajka Śliwa",
    ),
    _culture(
        "it-IT",
        "europe",
        "Europe/Rome",
        "Giulia Matteo Chiara Niccolò Elisa Davide Federica Lorenzo Ilaria Samuele Arianna Dario",
        "Bellandi Caruso Marchetti Sartori Fabbri Orlandini Zanetti Ferrante Piras Moretti Galli Donà",
    ),
    _culture(
        "ja-JP",
        "east",
        "Asia/Tokyo",
        "Misaki Haruto Yui Kenta Aoi Daichi Rin Shō Natsuki Takumi Hinata Kaori",
        "Fujisawa Kobayashi Ōtani Matsuda Nakagawa Hayashi Kuroda Shimizu Endō Miyamoto Tachibana Arai",
    ),
    _culture(
        "en-IN",
        "east",
        "Asia/Kolkata",
        "Ananya Rohan Kavya Arjun Meera Vikram Ishita Nikhil Divya Farhan Lakshmi Sameer",
        "Deshpande Iyer Banerjee Kulkarni Nair Chaudhary Bhatt Qureshi Reddy Ganguly Shetty Venkatesan",
    ),
    _culture(
        "en-NG",
        "europe",
        "Africa/Lagos",
        "Adaeze Tunde Ngozi Emeka Folake Ibrahim Chiamaka Seun Zainab Obinna Amara Kelechi",
        "Adebayo Nwosu Eze Balogun Bello Chukwu Danjuma Ogunleye Afolabi Onyeka Uche Sanusi",
    ),
    _culture(
        "en-AU",
        "east",
        "Australia/Sydney Australia/Melbourne",
        "Lachlan Matilda Bronte Angus Keira Jarrah Mitchell Talia Heath Indigo Darcy Mei",
        "Brannigan Castlemaine Nguyen Doolan Hartigan Pell Warrick Sotiriou Lowry Tindale Farrow Cho",
    ),
)

_PREFIXES = (
    "Acme Alderwick Amberline Arcfield Ashgrove Basalt Birchlane Bluefern Brightwater Cedarholm Cindervale "
    "Clearpoint Cobaltine Copperleaf Corvane Dawnbridge Driftmark Eastmere Elmstead Emberly Fairhollow Fernbank "
    "Flintwood Foxglen Galewind Glasshaven Goldcrest Greyharbour Halcyone Hartwell Heronmoor Hollowpine Ironbrook "
    "Juniperra Kestrelle Kitewood Larkfield Lindenau Lumenor Maplestead Marlowick Meridiane Mistral Moorgate "
    "Northlume Oakenfall Ostara Pinecrest Quillmark Ravenspur Redwillow Rookhaven Saltmarsh Silverbirch Sorrelin "
    "Stonebeck Sunderly Tidewell Umberton Valemont Verdanza Wayfarer Westerby Willowmere Yarrowby Zephyrine"
)
PREFIXES: tuple[str, ...] = tuple(_PREFIXES.split())

SECTORS: dict[str, tuple[str, ...]] = {
    "manufacturing": ("Robotics", "Components", "Toolworks"),
    "logistics": ("Logistics", "Freight", "Warehousing"),
    "healthcare": ("Clinics", "Diagnostics"),
    "software": ("Software", "Systems", "Cloud"),
    "education": ("Academy", "Learning"),
    "energy": ("Energy", "Solar"),
    "retail": ("Outfitters", "Home", "Markets"),
    "finance": ("Finance", "Insurance"),
    "media": ("Studios", "Press"),
    "travel": ("Travel", "Hotels"),
    "construction": ("Builders", "Architects"),
    "agriculture": ("Farms", "Foods"),
}
"""Industry, to the words its companies end in."""
